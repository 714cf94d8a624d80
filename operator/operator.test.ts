/** The whole operator against an API server on loopback. */
import { expect, test } from 'vitest';
import { Ceiling, FINALIZER, LABEL_ACCESS } from '../crds/index.ts';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { parseAccess } from './cached-access.ts';
import { encode, textOf } from './secret.ts';
import { at, deploymentAt, podAt, secretAt, serviceAt, soon, useOperator } from './testing/rig.ts';
import { publicLine } from './testing/samples.ts';

const rig = useOperator();

test('D8: everything of one SshAccess is made, and a second look writes nothing', async () => {
  const uid = rig.putAccess('web', { banner: 'Hello' });
  await rig.startOperator();
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('WaitingForPods'));
  const podSecret = rig.secretOf(secretAt('web-sshaccess'));
  const routeSecret = rig.secretOf(secretAt(`route-${uid}`, 'sys'));
  const hostKey = PrivateKey.parse(textOf(podSecret, 'host-key') ?? '');
  const mappingKey = PrivateKey.parse(textOf(routeSecret, 'mapping-key') ?? '');
  expect(textOf(podSecret, 'mapping-key.pub')?.trim()).toBe(mappingKey.publicKey.toLine());
  expect(Ceiling.parse(JSON.parse(textOf(podSecret, 'ceiling.json') ?? '')).roles).toHaveProperty('root');
  // Each private half lies in one Secret only.
  expect(Object.keys(podSecret?.data ?? {}).toSorted()).toEqual(['ceiling.json', 'host-key', 'mapping-key.pub']);
  const hostKeys = [hostKey.publicKey.toLine()];
  expect(rig.routeOf(uid)).toMatchObject({ enabled: true, service: 'web-sshaccess', hostKeys, banner: 'Hello' });
  expect(rig.usersOf(uid)).toEqual(['acme-web']);
  expect(rig.server.get(serviceAt('web-sshaccess'))).toMatchObject({
    metadata: { labels: { 'sshaccess.dev/endpoints': 'web' }, ownerReferences: [{ uid, controller: true }] },
    spec: { clusterIP: 'None', publishNotReadyAddresses: true, selector: { [LABEL_ACCESS]: 'web' } },
  });
  expect(rig.server.get(at('web'))?.metadata.finalizers).toEqual([FINALIZER]);
  expect(rig.labelOf('web')).toBe(true);

  await rig.quiet();
  const before = rig.writes().length;
  rig.putKey('alice-key', { 'ssh-publickey': `${textOf(rig.secretOf(secretAt('alice-key')), 'ssh-publickey')}\n` });
  await rig.quiet();
  expect(rig.writes().slice(before)).toEqual([]);
});

test('Ready when a pod takes connections, and the pods are named', async () => {
  rig.putAccess('web');
  await rig.startOperator();
  await soon(() => expect(rig.reason('web', 'Injected')).toBe('WaitingForPods'));
  rig.putPod('web-1', 'web');
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('SshReady'));
  expect(parseAccess(rig.server.get(at('web'))).status).toMatchObject({
    sessionEntry: 'chroot',
    pods: [{ name: 'web-1', ready: true }],
    users: [{ effectiveUser: 'uid 0', command: expect.stringContaining('acme-web@ssh.example.com') }],
  });
});

test('A9, E1: users come and go with their Secrets, the toggle and the clock', async () => {
  const uid = rig.putAccess('web', {
    users: [
      { secretRef: { name: 'alice-key' } },
      { suffix: 'dev', secretRef: { name: 'bob-key' }, expiresAt: '2026-06-01T00:00:00Z' },
    ],
  });
  rig.clock = () => new Date('2026-05-31T23:59:58.500Z');
  await rig.startOperator();
  await soon(() => expect(rig.reason('web', 'KeysValid')).toBe('KeySecretNotFound'));
  expect(rig.usersOf(uid)).toEqual(['acme-web']);
  rig.putKey('bob-key', { authorized_keys: publicLine() });
  await soon(() => expect(rig.usersOf(uid)).toEqual(['acme-web', 'acme-web-dev']));
  await rig.quiet();
  rig.clock = () => new Date('2026-06-01T00:00:01Z');
  // The expiry itself wakes the operator. Who comes later is still known to the piper, which says why they are refused.
  await soon(() =>
    expect(rig.statusOf('web')?.users?.map(({ command }) => command !== undefined)).toEqual([true, false]),
  );
  expect(rig.usersOf(uid)).toEqual(['acme-web', 'acme-web-dev']);
  rig.putKey('alice-key', { 'ssh-publickey': publicLine(), id: PrivateKey.generateEd25519().toOpenSsh() });
  await soon(() => expect(rig.reason('web', 'KeysValid')).toBe('PrivateKeyInSecret'));
  expect(rig.usersOf(uid)).toEqual(['acme-web-dev']);
  rig.putKey('alice-key', { 'ssh-publickey': publicLine() });
  await soon(() => expect(rig.usersOf(uid)).toEqual(['acme-web', 'acme-web-dev']));
  rig.putAccess('web', { enabled: false });
  await soon(() => expect(rig.routeOf(uid)).toMatchObject({ enabled: false, users: [{ username: 'acme-web' }] }));
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('Disabled'));
  expect(rig.labelOf('web')).toBe(true);
});

test('keys are kept; a lost or damaged one is made anew and both ends agree again', async () => {
  const uid = rig.putAccess('web');
  await rig.startOperator();
  await soon(() => expect(rig.reason('web', 'Ready')).toBeDefined());
  const hostKeys = rig.routeOf(uid)?.hostKeys;
  rig.server.remove(secretAt(`route-${uid}`, 'sys'));
  await soon(() => expect(rig.routeOf(uid)?.hostKeys).toEqual(hostKeys));
  const damaged = { ...rig.secretOf(secretAt('web-sshaccess'))?.data, 'host-key': 'eA==' };
  rig.server.put(secretAt('web-sshaccess'), { ...rig.server.get(secretAt('web-sshaccess')), data: damaged });
  await soon(() => expect(rig.routeOf(uid)?.hostKeys).not.toEqual(hostKeys));
  await soon(() => {
    const pod = rig.secretOf(secretAt('web-sshaccess'));
    const mapping = PrivateKey.parse(textOf(rig.secretOf(secretAt(`route-${uid}`, 'sys')), 'mapping-key') ?? '');
    expect(PrivateKey.parse(textOf(pod, 'host-key') ?? '').publicKey.toLine()).toBe(rig.routeOf(uid)?.hostKeys[0]);
    expect(textOf(pod, 'mapping-key.pub')?.trim()).toBe(mapping.publicKey.toLine());
  });
});

test('C5: objects of the same name that are not ours are left alone', async () => {
  rig.putKey('web-sshaccess', { theirs: 'x' });
  rig.server.put(serviceAt('web-sshaccess'), { metadata: {}, spec: { ports: [] } });
  const uid = rig.putAccess('web');
  await rig.startOperator();
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('NameTaken'));
  expect(rig.secretOf(secretAt('web-sshaccess'))?.data).toEqual({ theirs: encode('x') });
  expect(rig.server.get(serviceAt('web-sshaccess'))?.['spec']).toEqual({ ports: [] });
  expect(rig.routeOf(uid)).toBeUndefined();
  rig.server.remove(secretAt('web-sshaccess'));
  await soon(() => expect(rig.routeOf(uid)).toBeDefined());
});

test('what an SshAccess of that name has left, and nobody collects, is taken over, with keys of its own', async () => {
  rig.putAccess('web');
  await rig.startOperator();
  await soon(() => expect(rig.reason('web', 'Ready')).toBeDefined());
  const left = () => [secretAt('web-sshaccess'), serviceAt('web-sshaccess')].map((path) => rig.server.get(path));
  const before = { keys: rig.secretOf(secretAt('web-sshaccess'))?.data, uids: left().map((it) => it?.metadata.uid) };
  rig.server.remove(at('web'));
  await soon(() => expect(rig.server.get(at('web'))).toBeUndefined());
  const uid = rig.putAccess('web');
  await soon(() => expect(rig.routeOf(uid)).toBeDefined());
  await soon(() => {
    for (const object of left()) expect(object?.metadata['ownerReferences']).toMatchObject([{ uid, controller: true }]);
  });
  expect(left().map((it) => it?.metadata.uid)).toEqual(before.uids);
  const keys = rig.secretOf(secretAt('web-sshaccess'))?.data;
  for (const key of ['host-key', 'mapping-key.pub']) expect(keys?.[key]).not.toBe(before.keys?.[key]);
  const hostKey = PrivateKey.parse(textOf(rig.secretOf(secretAt('web-sshaccess')), 'host-key') ?? '');
  expect(rig.routeOf(uid)?.hostKeys).toEqual([hostKey.publicKey.toLine()]);
});

test('an SshAccess that is made again is not Ready before a pod that outlived the one before can have its keys', async () => {
  const template = {
    metadata: { labels: { app: 'web', [LABEL_ACCESS]: 'web' } },
    spec: { containers: [{ name: 'app' }] },
  };
  rig.server.put(deploymentAt('web'), { metadata: {}, spec: { replicas: 1, template } });
  rig.putAccess('web', { rollout: 'Manual' });
  await rig.startOperator();
  rig.putPod('web-1', 'web');
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('SshReady'));
  const stored = rig.server.get(podAt('web-1'));
  const creationTimestamp = new Date(Date.now() - 60_000).toISOString();
  rig.server.put(podAt('web-1'), { ...stored, metadata: { ...stored?.metadata, creationTimestamp } });
  rig.server.remove(at('web'));
  await soon(() => expect(rig.server.get(at('web'))).toBeUndefined());
  rig.putAccess('web', { rollout: 'Manual' });
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('SshNotReady'));
  expect(rig.condition('web', 'Ready')?.message).toMatch(/web-1: .* before, and learns the keys of this one until /);
  // One that was started for it has them.
  rig.clock = () => new Date(Date.now() + 5_000);
  rig.putPod('web-2', 'web');
  await soon(() => expect(rig.condition('web', 'Ready')?.message).toMatch(/ready in 1 of 2 pods/));
  rig.clock = () => new Date(Date.now() + 125_000);
  rig.putPod('web-3', 'web');
  await soon(() => expect(rig.condition('web', 'Ready')?.message).toMatch(/ready in 3 of 3 pods/));
});

test('C5: no Secret and no workload of another namespace is read or labelled, whatever the spec says', async () => {
  for (const namespace of ['other', 'sys']) {
    rig.putNamespace(namespace);
    const data = { 'ssh-publickey': encode(publicLine()) };
    rig.server.put(secretAt('their-key', namespace), { metadata: {}, data });
  }
  rig.server.put('/apis/apps/v1/namespaces/other/deployments/theirs', { metadata: {}, spec: { replicas: 1 } });
  const put = (name: string, elsewhere: object) => {
    const spec = { target: { name: 'theirs', ...elsewhere }, users: [{ secretRef: { name, ...elsewhere } }] };
    return rig.server.put(at('web'), { metadata: {}, ...rig.server.get(at('web')), spec }).metadata.uid;
  };
  const uid = put('their-key', { namespace: 'other' });
  await rig.startOperator();
  await soon(() => expect(rig.reason('web', 'KeysValid')).toBe('KeySecretNotFound'));
  expect(rig.reason('web', 'Injected')).toBe('TargetNotFound');
  for (const name of ['other/their-key', '../../other/secrets/their-key']) {
    put(name, {});
    await soon(() => expect(rig.reason('web', 'Ready')).toBe('InvalidSpec'));
  }
  expect(rig.usersOf(uid)).toEqual([]);
  const touched = rig.server.requests.filter((line) => /namespaces\/other\/|secrets\/their-key/.test(line));
  expect(touched.filter((line) => !line.includes('/namespaces/acme/'))).toEqual([]);
});

test('C6: names as long as they may be make usernames, a route and objects', async () => {
  const namespace = 'n'.repeat(63);
  rig.putNamespace(namespace);
  const name = 'a'.repeat(53);
  const slug = 's'.repeat(63);
  const suffix = 'u'.repeat(63);
  const users = [{ secretRef: { name: 'alice-key' } }, { suffix, secretRef: { name: 'alice-key' } }];
  const uid = rig.putAccess(name, { slug, users }, namespace);
  await rig.startOperator();
  await soon(() => expect(rig.usersOf(uid)).toEqual([`${namespace}-${slug}`, `${namespace}-${slug}-${suffix}`]));
  await soon(() => expect(rig.reason(name, 'UsernamesOwned', namespace)).toBe('AllUsernamesOwned'));
  expect(rig.secretOf(secretAt(`${name}-sshaccess`, namespace))).toBeDefined();
});

test('a route is kept current even when the Secret of the pods was taken over', async () => {
  const uid = rig.putAccess('web');
  await rig.startOperator();
  await soon(() => expect(rig.usersOf(uid)).toEqual(['acme-web']));
  await rig.quiet();
  rig.server.remove(secretAt('web-sshaccess'));
  rig.putKey('web-sshaccess', { theirs: 'x' });
  rig.putAccess('web', { enabled: false });
  await soon(() => expect(rig.routeOf(uid)?.enabled).toBe(false));
});

test('C3: the older claim wins a username; when it goes the other gets it', async () => {
  const first = rig.putAccess('web');
  // The test server's clock has milliseconds, the API's seconds: a clear order.
  await new Promise((resolve) => setTimeout(resolve, 10));
  rig.putNamespace('other');
  const second = rig.putAccess('x', { organization: 'acme', slug: 'web' }, 'other');
  await rig.startOperator();
  await soon(() => expect(rig.usersOf(first)).toEqual(['acme-web']));
  await soon(() => expect(rig.reason('x', 'UsernamesOwned', 'other')).toBe('UsernameTaken'));
  expect(rig.usersOf(second)).toEqual([]);
  const status = parseAccess(rig.server.get(at('x', 'other'))).status;
  expect(status.conditions?.map(({ message }) => message).join()).not.toContain('acme/web');
  rig.server.remove(at('web'));
  await soon(() => expect(rig.usersOf(second)).toEqual(['acme-web']));
  expect(rig.routeOf(first)).toBeUndefined();
});

test('C3b: an older SshAccess that is edited does not take a username from who has it, not even after a restart', async () => {
  rig.putNamespace('acme-web');
  const thief = rig.putAccess('x', {}, 'acme-web');
  await new Promise((resolve) => setTimeout(resolve, 10));
  const victim = rig.putAccess('web', { slug: 'web-api' });
  await rig.startOperator();
  await soon(() => expect([rig.usersOf(victim), rig.usersOf(thief)]).toEqual([['acme-web-api'], ['acme-web-x']]));
  await rig.quiet();
  rig.putAccess('x', { slug: 'api' }, 'acme-web');
  await soon(() => expect(rig.reason('x', 'UsernamesOwned', 'acme-web')).toBe('UsernameTaken'));
  expect([rig.usersOf(victim), rig.usersOf(thief)]).toEqual([['acme-web-api'], []]);
  await rig.stopOperator();
  // Its users cannot log in for now; the name is still theirs.
  rig.server.remove(secretAt('alice-key'));
  await rig.startOperator();
  await soon(() => expect(rig.usersOf(victim)).toEqual([]));
  await rig.quiet();
  expect(rig.usersOf(thief)).toEqual([]);
  rig.putAccess('web', { slug: 'renamed' });
  await soon(() => expect(rig.usersOf(thief)).toEqual(['acme-web-api']));
});

test('C3b: who waits under the name of an organization for its people has to make room for it', async () => {
  rig.putNamespace('other');
  const squatter = rig.putAccess('x', { organization: 'acme', slug: 'web' }, 'other');
  await rig.startOperator();
  await soon(() => expect(rig.usersOf(squatter)).toEqual(['acme-web']));
  const native = rig.putAccess('web');
  await soon(() => expect([rig.usersOf(native), rig.usersOf(squatter)]).toEqual([['acme-web'], []]));
});

test('a namespace label changes the usernames at once', async () => {
  const uid = rig.putAccess('web');
  await rig.startOperator();
  await soon(() => expect(rig.usersOf(uid)).toEqual(['acme-web']));
  const label = (value: string) =>
    rig.server.put('/api/v1/namespaces/acme', { metadata: { labels: { 'sshaccess.dev/organization': value } } });
  label('org');
  await soon(() => expect(rig.usersOf(uid)).toEqual(['org-web']));
  label('Not.Valid');
  await soon(() => expect(rig.reason('web', 'UsernamesOwned')).toBe('InvalidOrganization'));
  expect(rig.usersOf(uid)).toEqual([]);
});

test('a target that comes later is labelled; a former target is released', async () => {
  rig.putAccess('web', { target: { name: 'late' } });
  await rig.startOperator();
  await soon(() => expect(rig.reason('web', 'Injected')).toBe('TargetNotFound'));
  rig.putDeployment('late');
  await soon(() => expect(rig.labelOf('late')).toBe(true));
  rig.putAccess('web');
  await soon(() => expect(rig.labelOf('web')).toBe(true));
  await soon(() => expect(rig.labelOf('late')).toBe(false));
});

test('of two with one target the older labels it, and the other says so', async () => {
  rig.putAccess('web');
  await new Promise((resolve) => setTimeout(resolve, 10));
  rig.putAccess('second');
  await rig.startOperator();
  await soon(() => expect(rig.reason('second', 'Injected')).toBe('TargetTaken'));
  await rig.quiet();
  expect(JSON.stringify(rig.server.get(deploymentAt('web'))?.['spec'])).toContain(`"${LABEL_ACCESS}":"web"`);
});

test('Manual labels nothing and says what to type', async () => {
  rig.putAccess('web', { rollout: 'Manual' });
  await rig.startOperator();
  await soon(() => expect(rig.reason('web', 'Injected')).toBe('LabelMissing'));
  expect(rig.labelOf('web')).toBe(false);
});

test('deletion: route, label and finalizer go, also when the workload is gone or refuses', async () => {
  const uid = rig.putAccess('web');
  await rig.startOperator();
  await soon(() => expect(rig.labelOf('web')).toBe(true));
  await rig.quiet();
  rig.server.remove(at('web'));
  await soon(() => expect(rig.server.get(at('web'))).toBeUndefined());
  expect(rig.routeOf(uid)).toBeUndefined();
  expect(rig.labelOf('web')).toBe(false);

  rig.putAccess('web');
  await soon(() => expect(rig.labelOf('web')).toBe(true));
  await rig.quiet();
  rig.server.fail(100, 403, /PATCH .*deployments/);
  rig.server.remove(at('web'));
  await soon(() => expect(rig.server.get(at('web'))).toBeUndefined());
});

test('in a namespace that ends, the finalizer does not wait until the SshAccess is deleted', async () => {
  const uid = rig.putAccess('web');
  await rig.startOperator();
  await soon(() => expect(rig.routeOf(uid)).toBeDefined());
  await rig.quiet();
  const path = '/api/v1/namespaces/acme';
  const deletionTimestamp = new Date().toISOString();
  rig.server.put(path, {
    metadata: { ...rig.server.get(path)?.metadata, finalizers: ['kubernetes'], deletionTimestamp },
  });
  await soon(() => expect(rig.server.get(at('web'))?.metadata.finalizers).toEqual([]));
  expect(rig.routeOf(uid)).toBeUndefined();
});

test('an SshAccess that does not parse says so, and can be deleted', async () => {
  rig.server.put(at('web'), { metadata: { finalizers: [FINALIZER] }, spec: { users: 'x' } });
  await rig.startOperator();
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('InvalidSpec'));
  rig.server.remove(at('web'));
  await soon(() => expect(rig.server.get(at('web'))).toBeUndefined());
});

test('E1: a spec that does not parse lets nobody in, for it may be the one that revokes somebody', async () => {
  const uid = rig.putAccess('web');
  await rig.startOperator();
  await soon(() => expect(rig.usersOf(uid)).toEqual(['acme-web']));
  await rig.quiet();
  // The API server takes RFC 3339 in small letters too.
  const users = [{ secretRef: { name: 'alice-key' }, expiresAt: '2020-01-01t00:00:00z' }];
  rig.server.put(at('web'), { ...rig.server.get(at('web')), spec: { target: { name: 'web' }, users } });
  await soon(() => expect(rig.usersOf(uid)).toEqual([]));
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('InvalidSpec'));
});

test('C8: a route that the API server does not take lets nobody in either, until one is taken', async () => {
  const uid = rig.putAccess('web');
  await rig.startOperator();
  await soon(() => expect(rig.usersOf(uid)).toEqual(['acme-web']));
  await rig.quiet();
  // What Kubernetes says of a Secret of more than 1 MiB.
  rig.server.fail(1, 422, /(PATCH|PUT) .*sys\/secrets\/route-/);
  rig.putAccess('web', { policy: { root: { maxSessions: 3 } } });
  await soon(() => expect(rig.events('RouteUpdated')).toContain('may no longer log in: acme-web'));
  await soon(() => expect(rig.routeOf(uid)?.users[0]?.policy.maxSessions).toBe(3));
});

test('a refusal of the API server becomes a condition, and is retried', async () => {
  rig.server.fail(1_000, 403, /POST .*acme\/secrets/);
  rig.putAccess('web');
  await rig.startOperator();
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('ApplyFailed'));
  rig.server.fail(0, 403);
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('WaitingForPods'));
});

test('a route whose SshAccess is gone without its finalizer is deleted', async () => {
  rig.server.put(secretAt('route-dead', 'sys'), { metadata: { labels: { 'sshaccess.dev/route': 'true' } } });
  rig.server.put(secretAt('unrelated', 'sys'), { metadata: {} });
  await rig.startOperator();
  await soon(() => expect(rig.server.get(secretAt('route-dead', 'sys'))).toBeUndefined());
  expect(rig.server.get(secretAt('unrelated', 'sys'))).toBeDefined();
});
