/** Broken apps are when people need ssh: not ready, crash-looping, and what the session then says. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from './support/eventually.ts';
import { apply, pods } from './support/kubectl.ts';
import { disposeScratch, generateKey, ssh } from './support/openssh.ts';
import { accessManifest, createWorkload, keySecret, removeNamespace } from './support/workload.ts';

const namespace = 'e2e-broken';
let key = '';

beforeAll(async () => {
  const generated = await generateKey('broken');
  key = generated.path;
  await createWorkload({
    namespace,
    name: 'unready',
    script: 'sleep infinity',
    container: { readinessProbe: { exec: { command: ['false'] }, periodSeconds: 1 } },
  });
  await createWorkload({ namespace, name: 'crashing', script: 'echo about to fail; exit 3' });
  await apply(keySecret(namespace, 'key', generated.publicKey));
  for (const name of ['unready', 'crashing'])
    await apply(accessManifest(namespace, name, [{ secretRef: { name: 'key' } }]));
});

afterAll(async () => {
  await removeNamespace(namespace);
  disposeScratch();
});

const login = (name: string) => ({ user: `${namespace}-${name}`, key });

describe('a pod that is not ready', () => {
  test('is reached, in the app, and the user is told', async () => {
    const result = await eventually(async () => {
      const finished = await ssh(login('unready'), 'hostname; id -u', { ssh: ['-o', 'LogLevel=INFO'] });
      expect(finished.code).toBe(0);
      // While the app's container is being made, the toolbox answers, as its own user.
      expect(finished.stdout).toMatch(/^unready-.*\n0\n$/);
      return finished;
    });
    expect(result.stderr).toMatch(/not ready/);
  });
});

describe('an app in a crash loop', () => {
  test('leaves the sidecar alone', async () => {
    await eventually(async () => {
      const [pod] = (await pods(namespace, 'crashing')).filter(
        (candidate) => candidate.status.initContainerStatuses.length > 0,
      );
      expect(pod?.status.containerStatuses[0]?.restartCount).toBeGreaterThan(0);
      expect(pod?.status.initContainerStatuses[0]?.restartCount).toBe(0);
    });
  });

  test('is reached in the toolbox, which says what it found', async () => {
    const result = await eventually(async () => {
      const finished = await ssh(login('crashing'), 'echo here; id -u');
      expect(finished.code).toBe(0);
      return finished;
    });
    expect(result.stdout).toMatch(/^here\n\d+\n$/);
    expect(result.stderr).toMatch(/container "app" has no running process/);
  });
});
