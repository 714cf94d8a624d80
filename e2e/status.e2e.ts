/** `kubectl get` and `kubectl describe` tell the story, also when something is wrong. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from './support/eventually.ts';
import { demo } from './support/demo.ts';
import { apply, kubectl } from './support/kubectl.ts';
import { routes } from './support/routes.ts';
import { disposeScratch, generateKey } from './support/openssh.ts';
import { accessManifest, condition, createWorkload, keySecret, removeNamespace } from './support/workload.ts';

const namespace = 'e2e-status';

beforeAll(async () => {
  await createWorkload({ namespace, name: 'app', script: 'sleep infinity' });
});

afterAll(async () => {
  await removeNamespace(namespace);
  disposeScratch();
});

describe('the demo', () => {
  test('kubectl get sshacc shows user, runtime and ready', async () => {
    const [header, row] = (await kubectl('get', 'sshacc', '-n', 'acme')).trim().split('\n');
    expect(header).toMatch(/^NAME +USER +RUNTIME +READY +SESSIONS +AGE$/);
    expect(row).toMatch(/^hello +acme-hello +sidecar +True +/);
  });

  test('status holds the ready-to-use line of every user', async () => {
    const { sshHost, sshPort } = demo();
    const lines = (
      await kubectl(
        'get',
        'sshacc',
        '-n',
        'acme',
        'hello',
        '-o',
        'jsonpath={range .status.users[*]}{.command} {.effectiveUser}{"\\n"}{end}',
      )
    )
      .trim()
      .split('\n');
    expect(lines[0]).toMatch(new RegExp(`^ssh -i \\S+ -p ${sshPort} acme-hello@${sshHost} .*\\b0$`));
    expect(lines[1]).toMatch(new RegExp(`^ssh -i \\S+ -p ${sshPort} acme-hello-dev@${sshHost} .*\\b61\\d{3}$`));
  });

  test('kubectl describe tells it in conditions and Events', async () => {
    const text = await kubectl('describe', 'sshacc', '-n', 'acme', 'hello');
    for (const type of ['Ready', 'KeysValid', 'UsernamesOwned', 'Injected'])
      expect(text).toMatch(new RegExp(`Type: +${type}`));
    expect(text).toMatch(/Events:\s+Type +Reason/);
  });
});

describe('a user whose Secret', () => {
  const keysValid = () => condition(namespace, 'app', 'KeysValid');

  test('is missing is named, with what to do', async () => {
    await apply(accessManifest(namespace, 'app', [{ secretRef: { name: 'nobody' } }]));
    await eventually(async () => expect(await keysValid()).toMatch(/^False: KeySecretNotFound: .*nobody/), 30_000);
    expect(await condition(namespace, 'app', 'Ready')).toMatch(/^False/);
    await eventually(
      async () =>
        expect(await kubectl('describe', 'sshacc', '-n', namespace, 'app')).toMatch(/Warning +KeySecretNotFound/),
      30_000,
    );
  });

  test('holds a private key is refused, and the key is shown nowhere', async () => {
    const { path } = await generateKey('private');
    const secret = readFileSync(path, 'utf8');
    await apply(keySecret(namespace, 'nobody', secret));
    await eventually(async () => expect(await keysValid()).toMatch(/^False: PrivateKeyInSecret: /), 30_000);
    const shown = [
      await kubectl('describe', 'sshacc', '-n', namespace, 'app'),
      await kubectl('logs', '-n', demo().systemNamespace, '-l', 'app.kubernetes.io/component=operator', '--tail=-1'),
    ].join('\n');
    for (const line of secret.split('\n').filter((text) => text.length > 20 && !text.startsWith('-----')))
      expect(shown).not.toContain(line);
  });

  test('is put right is let in', async () => {
    await apply(keySecret(namespace, 'nobody', (await generateKey('public')).publicKey));
    await eventually(async () => expect(await keysValid()).toMatch(/^True/), 30_000);
    await eventually(async () => expect(await condition(namespace, 'app', 'Ready')).toMatch(/^True/));
  });
});

describe('a username that is taken', () => {
  test('goes to the older SshAccess; the younger is told and gets no route', async () => {
    await apply(
      accessManifest(namespace, 'late', [{ secretRef: { name: 'nobody' } }], {
        organization: 'acme',
        slug: 'hello',
        target: { name: 'app' },
      }),
    );
    await eventually(
      async () =>
        expect(await condition(namespace, 'late', 'UsernamesOwned')).toMatch(/^False: UsernameTaken: .*acme-hello/),
      30_000,
    );
    expect(await condition('acme', 'hello', 'UsernamesOwned')).toMatch(/^True/);
    const late = (await routes()).filter((route) => route.name === 'late');
    expect(late.flatMap((route) => route.users)).toEqual([]);
  });
});
