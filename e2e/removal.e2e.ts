/** Deleting an SshAccess ends its sessions and leaves nothing behind. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { demo } from './support/demo.ts';
import { eventually } from './support/eventually.ts';
import { apply, kubectl, tryKubectl } from './support/kubectl.ts';
import { disposeScratch, generateKey, ssh } from './support/openssh.ts';
import { accessManifest, createWorkload, keySecret, removeNamespace, waitUntilReady } from './support/workload.ts';

const namespace = 'e2e-removal';
let key = '';

beforeAll(async () => {
  const generated = await generateKey('removal');
  key = generated.path;
  await createWorkload({ namespace, name: 'app', script: 'sleep infinity' });
  await apply(keySecret(namespace, 'key', generated.publicKey));
  await apply(accessManifest(namespace, 'app', [{ secretRef: { name: 'key' } }]));
  await waitUntilReady(namespace, 'app');
});

afterAll(async () => {
  await removeNamespace(namespace);
  disposeScratch();
});

test('nothing of it is left, and the workload is as it was', async () => {
  const login = { user: `${namespace}-app`, key };
  const uid = await kubectl('get', 'sshacc', '-n', namespace, 'app', '-o', 'jsonpath={.metadata.uid}');
  const route = ['get', 'secret', '-n', demo().systemNamespace, `route-${uid}`];
  await eventually(async () => expect((await ssh(login, 'true')).code).toBe(0), 30_000);
  expect((await tryKubectl(route)).code).toBe(0);

  await kubectl('delete', 'sshacc', '-n', namespace, 'app', '--wait=true', '--timeout=60s');
  expect((await tryKubectl(route)).stderr).toContain('NotFound');
  expect((await ssh(login, 'true')).code).toBe(255);

  await eventually(async () => {
    const left = await kubectl('get', 'secrets,services,endpointslices', '-n', namespace, '-o', 'name');
    expect(left.trim().split('\n')).toEqual(['secret/key']);
    const template = await kubectl(
      'get',
      'deployment',
      '-n',
      namespace,
      'app',
      '-o',
      'jsonpath={.spec.template.metadata.labels}',
    );
    expect(JSON.parse(template)).toEqual({ app: 'app' });
    const containers = await kubectl(
      'get',
      'pods',
      '-n',
      namespace,
      '-o',
      'jsonpath={.items[*].spec.initContainers[*].name}',
    );
    expect(containers).toBe('');
  }, 90_000);
});
