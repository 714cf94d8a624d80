/** C5: what somebody with every right in a namespace of their own may try on another's. The victim is the demo. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { demo } from './support/demo.ts';
import { eventually } from './support/eventually.ts';
import { apply, get, kubectl, list, tryKubectl } from './support/kubectl.ts';
import { disposeScratch, generateKey, rootLogin, scratch, ssh } from './support/openssh.ts';
import {
  accessManifest,
  condition,
  createWorkload,
  keySecret,
  removeNamespace,
  waitUntilReady,
} from './support/workload.ts';

const namespace = 'e2e-tenant';
const victim = { namespace: 'acme', name: 'hello' };
const user = `${namespace}-app`;
const key = join(scratch, 'mallory');
const users = [{ secretRef: { name: 'mallory' } }];
let publicKey = '';

const Pod = z.object({ metadata: z.object({ name: z.string() }), status: z.object({ podIP: z.string() }) });

/** As the tenant, who may do everything there and nothing elsewhere. */
async function asTenant(...objects: readonly object[]): Promise<void> {
  const objectList = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
  const { code, stderr } = await tryKubectl(
    ['apply', `--as=system:serviceaccount:${namespace}:tenant`, '-f', '-'],
    objectList,
  );
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
}

beforeAll(async () => {
  ({ publicKey } = await generateKey('mallory'));
  await createWorkload({ namespace, name: 'app', script: 'sleep infinity' });
  const rbac = 'rbac.authorization.k8s.io';
  const everything = { apiGroups: ['*'], resources: ['*'], verbs: ['*'] };
  const roleRef = { apiGroup: rbac, kind: 'Role', name: 'tenant' };
  const subjects = [{ kind: 'ServiceAccount', name: 'tenant', namespace }];
  const metadata = { namespace, name: 'tenant' };
  for (const object of [
    { apiVersion: `${rbac}/v1`, kind: 'Role', metadata, rules: [everything] },
    { apiVersion: `${rbac}/v1`, kind: 'RoleBinding', metadata, roleRef, subjects },
  ])
    await apply(JSON.stringify(object));
  await apply(keySecret(namespace, 'mallory', publicKey));
  await apply(accessManifest(namespace, 'app', users));
  await waitUntilReady(namespace, 'app');
  await eventually(async () => expect((await ssh({ user, key }, 'true')).code).toBe(0));
});

afterAll(async () => {
  await removeNamespace(namespace);
  disposeScratch();
});

describe('C5: a tenant with every right in a namespace of their own', () => {
  test('gets no session in the pod of another by an EndpointSlice that names its address', async () => {
    const [pod] = await list(Pod, 'pods', '-n', victim.namespace, '-l', `sshaccess.dev/access=${victim.name}`);
    const address = pod?.status.podIP ?? '';
    const labels = { 'kubernetes.io/service-name': 'app-sshaccess', 'sshaccess.dev/endpoints': 'app' };
    await asTenant({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { namespace, name: 'mine', labels },
      addressType: 'IPv4',
      endpoints: [
        { addresses: [address], conditions: { ready: true, serving: true }, targetRef: { kind: 'Pod', name: 'trap' } },
      ],
      ports: [{ name: 'ssh', port: 2222, protocol: 'TCP' }],
    });
    await eventually(async () => {
      const login = await ssh({ user: `${user}--trap`, key }, 'hostname');
      expect(login.stderr).toContain('[host-key-mismatch');
      expect([login.stdout, login.code]).toEqual(['', 255]);
    });
    await kubectl('delete', 'endpointslice', 'mine', '-n', namespace);
  });

  test('adds no pod to another by its label, and is not believed what it says was injected', async () => {
    const forged = {
      version: 1,
      access: 'app',
      container: 'app',
      sessionEntry: 'chroot',
      rootUid: 0,
      limitedUid: 0,
      runtime: 'sidecar',
    };
    const containers = [{ name: 'app', image: demo().appImage, command: ['sleep', 'infinity'] }];
    const pod = (name: string, access: string) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        namespace,
        name,
        labels: { 'sshaccess.dev/access': access },
        annotations: { 'sshaccess.dev/injected': JSON.stringify(forged) },
      },
      spec: { terminationGracePeriodSeconds: 0, containers },
    });
    await asTenant(pod('stray', victim.name), pod('forged', 'app'));
    const Listed = z.object({ status: z.object({ pods: z.array(z.object({ name: z.string() })) }) });
    await eventually(async () => {
      const own = await get(Listed, 'sshacc', 'app', '-n', namespace);
      expect(own.status.pods.map(({ name }) => name)).toContain('forged');
    });
    const theirs = await get(Listed, 'sshacc', victim.name, '-n', victim.namespace);
    expect(theirs.status.pods.map(({ name }) => name)).not.toContain('stray');
    const annotation = 'jsonpath={.metadata.annotations.sshaccess\\.dev/injected}';
    const record = await kubectl('get', 'pod', 'forged', '-n', namespace, '-o', annotation);
    expect(z.object({ limitedUid: z.number() }).parse(JSON.parse(record)).limitedUid).toBeGreaterThan(0);
    await kubectl('delete', 'pod', 'stray', 'forged', '-n', namespace, '--wait=false');
  });

  test('is nobody’s route by a Secret that says that it is one', async () => {
    const path = `jsonpath={.items[?(@.metadata.annotations.sshaccess\\.dev/route-of=="${namespace}/app")].data}`;
    const own = await kubectl('get', 'secrets', '-n', demo().systemNamespace, '-l', 'sshaccess.dev/route', '-o', path);
    const data = z.record(z.string(), z.string()).parse(JSON.parse(own));
    const route = Buffer.from(data['route.json'] ?? '', 'base64')
      .toString()
      .replaceAll(`"${user}"`, `"${demo().rootUser}"`);
    expect(route).toContain(demo().rootUser);
    const labels = { 'sshaccess.dev/route': 'true' };
    await asTenant({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        namespace,
        name: 'route-of-mine',
        labels,
        annotations: { 'sshaccess.dev/usernames': demo().rootUser },
      },
      data: { ...data, 'route.json': Buffer.from(route).toString('base64') },
    });
    // A change that the piper hears later.
    const second = await generateKey('second');
    await apply(keySecret(namespace, 'mallory', `${publicKey}\n${second.publicKey}`));
    await eventually(async () => expect((await ssh({ user, key: join(scratch, 'second') }, 'true')).code).toBe(0));
    expect((await ssh({ user: demo().rootUser, key }, 'hostname')).stderr).toContain('Permission denied');
    expect((await ssh(rootLogin(), 'true')).code).toBe(0);
  });

  test('keeps a Secret and a Service that stand under our names, and only their own SshAccess waits for them', async () => {
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { namespace, name: 'first-sshaccess' },
      data: { theirs: 'eA==' },
    };
    const spec = { selector: { app: 'app' }, ports: [{ port: 80 }] };
    await asTenant(secret, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace, name: 'second-sshaccess' },
      spec,
    });
    for (const name of ['first', 'second'])
      await apply(accessManifest(namespace, name, users, { target: { name: 'app' } }));
    await eventually(async () => {
      expect(await condition(namespace, 'first', 'Ready')).toMatch(/^False: NameTaken: .*Secret/);
      expect(await condition(namespace, 'second', 'Ready')).toMatch(/^False: NameTaken: .*Service/);
    });
    const kept = await kubectl('get', 'secret', 'first-sshaccess', '-n', namespace, '-o', 'jsonpath={.data}');
    expect(JSON.parse(kept)).toEqual({ theirs: 'eA==' });
    expect(
      await kubectl('get', 'service', 'second-sshaccess', '-n', namespace, '-o', 'jsonpath={.spec.ports[*].port}'),
    ).toBe('80');
    expect((await ssh({ user, key }, 'true')).code).toBe(0);
  });

  test('claims no username of another, and does not learn whose it is', async () => {
    await apply(
      accessManifest(namespace, 'claim', users, {
        target: { name: 'app' },
        organization: victim.namespace,
        slug: victim.name,
      }),
    );
    await eventually(async () =>
      expect(await condition(namespace, 'claim', 'UsernamesOwned')).toMatch(/^False: UsernameTaken/),
    );
    expect(await condition(namespace, 'claim', 'UsernamesOwned')).not.toMatch(/acme\/|namespace acme/);
    expect((await ssh({ user: demo().rootUser, key }, 'true')).stderr).toContain('Permission denied');
    expect((await ssh(rootLogin(), 'true')).code).toBe(0);
  });
});
