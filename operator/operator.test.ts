/** The whole operator against an API server on loopback. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Ceiling, FINALIZER, LABEL_ACCESS, Route, SshAccessSpec } from '../crds/index.ts';
import { TestApiServer } from '../lib/kube/testing/api-server.ts';
import { createLogger } from '../lib/process/logger.ts';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { parseAccess } from './cached-access.ts';
import { createOperator } from './operator.ts';
import { encode, Secret, textOf } from './secret.ts';
import { publicLine, record } from './testing/samples.ts';

const config = {
  systemNamespace: 'sys',
  identity: 'operator-1',
  endpoint: { host: 'ssh.example.com', port: 2222 },
  healthPort: 0,
  webhookService: 'hook',
};
const at = (name: string, namespace = 'acme') =>
  `/apis/sshaccess.dev/v1alpha1/namespaces/${namespace}/sshaccesses/${name}`;
const secretAt = (name: string, namespace = 'acme') => `/api/v1/namespaces/${namespace}/secrets/${name}`;
const serviceAt = (name: string) => `/api/v1/namespaces/acme/services/${name}`;
const deploymentAt = (name: string) => `/apis/apps/v1/namespaces/acme/deployments/${name}`;
const podAt = (name: string) => `/api/v1/namespaces/acme/pods/${name}`;

vi.setConfig({ testTimeout: 20_000 });

let server: TestApiServer;
let stop: AbortController;
let clock: () => Date;
let running: Promise<void>;

beforeEach(async () => {
  server = new TestApiServer();
  await server.start();
  stop = new AbortController();
  clock = () => new Date();
  putNamespace('acme');
  putDeployment('web');
});
afterEach(async () => {
  stop.abort();
  await running;
  await server.stop();
});

async function startOperator(): Promise<void> {
  const log = createLogger('operator', { level: 'silent' });
  const operator = createOperator({ client: server.client(), config, log, clock: () => clock() });
  await operator.follow(stop.signal);
  running = operator.lead(stop.signal);
}

function putKey(name: string, data: Record<string, string>): void {
  const encoded = Object.entries(data).map(([key, value]) => [key, encode(value)]);
  server.put(secretAt(name), { metadata: {}, type: 'Opaque', data: Object.fromEntries(encoded) });
}

/** With the Secret that putAccess names. */
function putNamespace(name: string): void {
  server.put(`/api/v1/namespaces/${name}`, { metadata: {} });
  server.put(secretAt('alice-key', name), { metadata: {}, data: { 'ssh-publickey': encode(publicLine()) } });
}

function putDeployment(name: string): void {
  const template = { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'app' }] } };
  server.put(deploymentAt(name), { metadata: {}, spec: { replicas: 1, template } });
}

function putPod(name: string, access: string, isInjected = true): void {
  server.put(podAt(name), {
    metadata: {
      labels: { [LABEL_ACCESS]: access },
      annotations: isInjected ? { 'sshaccess.dev/injected': JSON.stringify({ ...record, access }) } : {},
    },
    status: { phase: 'Running', initContainerStatuses: [{ name: 'sshaccess', ready: isInjected }] },
  });
}

function putAccess(name: string, spec: object = {}, namespace = 'acme'): string {
  const whole = SshAccessSpec.parse({
    target: { name: 'web' },
    users: [{ secretRef: { name: 'alice-key' } }],
    ...spec,
  });
  const stored = server.get(at(name, namespace));
  return server.put(at(name, namespace), { ...stored, metadata: stored?.metadata ?? {}, spec: whole }).metadata.uid;
}

const secretOf = (path: string) => {
  const stored = server.get(path);
  return stored === undefined ? undefined : Secret.parse(stored);
};
const routeOf = (uid: string) => {
  const text = textOf(secretOf(secretAt(`route-${uid}`, 'sys')), 'route.json');
  return text === undefined ? undefined : Route.parse(JSON.parse(text));
};
const usersOf = (uid: string) => routeOf(uid)?.users.map(({ username }) => username);
const reason = (name: string, type: string, namespace = 'acme') => {
  const stored = server.get(at(name, namespace));
  return stored && parseAccess(stored).status.conditions?.find((condition) => condition.type === type)?.reason;
};
const labelOf = (name: string) => JSON.stringify(server.get(deploymentAt(name))?.['spec'] ?? {}).includes(LABEL_ACCESS);
const soon = (check: () => void) => vi.waitFor(check, { timeout: 8_000, interval: 20 });
const writes = () => server.requests.filter((line) => !line.startsWith('GET') && !line.includes('/events'));
const quiet = async () => {
  let before = -1;
  while (before !== server.requests.length) {
    before = server.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
};

test('everything of one SshAccess is made, and a second look writes nothing', async () => {
  const uid = putAccess('web');
  await startOperator();
  await soon(() => expect(reason('web', 'Ready')).toBe('WaitingForPods'));
  const podSecret = secretOf(secretAt('web-sshaccess'));
  const routeSecret = secretOf(secretAt(`route-${uid}`, 'sys'));
  const hostKey = PrivateKey.parse(textOf(podSecret, 'host-key') ?? '');
  const mappingKey = PrivateKey.parse(textOf(routeSecret, 'mapping-key') ?? '');
  expect(textOf(podSecret, 'mapping-key.pub')?.trim()).toBe(mappingKey.publicKey.toLine());
  expect(Ceiling.parse(JSON.parse(textOf(podSecret, 'ceiling.json') ?? '')).roles).toHaveProperty('root');
  // Each private half lies in one Secret only.
  expect(Object.keys(podSecret?.data ?? {}).toSorted()).toEqual(['ceiling.json', 'host-key', 'mapping-key.pub']);
  const hostKeys = [hostKey.publicKey.toLine()];
  expect(routeOf(uid)).toMatchObject({ enabled: true, service: 'web-sshaccess', hostKeys });
  expect(usersOf(uid)).toEqual(['acme-web']);
  expect(server.get(serviceAt('web-sshaccess'))).toMatchObject({
    metadata: { labels: { 'sshaccess.dev/endpoints': 'web' }, ownerReferences: [{ uid, controller: true }] },
    spec: { clusterIP: 'None', publishNotReadyAddresses: true, selector: { [LABEL_ACCESS]: 'web' } },
  });
  expect(server.get(at('web'))?.metadata.finalizers).toEqual([FINALIZER]);
  expect(labelOf('web')).toBe(true);

  await quiet();
  const before = writes().length;
  putKey('alice-key', { 'ssh-publickey': `${textOf(secretOf(secretAt('alice-key')), 'ssh-publickey')}\n` });
  await quiet();
  expect(writes().slice(before)).toEqual([]);
});

test('Ready when a pod takes connections, and the pods are named', async () => {
  putAccess('web');
  await startOperator();
  await soon(() => expect(reason('web', 'Injected')).toBe('WaitingForPods'));
  putPod('web-1', 'web');
  await soon(() => expect(reason('web', 'Ready')).toBe('SshReady'));
  expect(parseAccess(server.get(at('web'))).status).toMatchObject({
    sessionEntry: 'chroot',
    pods: [{ name: 'web-1', ready: true }],
    users: [{ effectiveUser: 'uid 0', command: expect.stringContaining('acme-web@ssh.example.com') }],
  });
});

test('users come and go with their Secrets, the toggle and the clock', async () => {
  const uid = putAccess('web', {
    users: [
      { secretRef: { name: 'alice-key' } },
      { suffix: 'dev', secretRef: { name: 'bob-key' }, expiresAt: '2026-06-01T00:00:00Z' },
    ],
  });
  clock = () => new Date('2026-05-31T23:59:58.500Z');
  await startOperator();
  await soon(() => expect(reason('web', 'KeysValid')).toBe('KeySecretNotFound'));
  expect(usersOf(uid)).toEqual(['acme-web']);
  putKey('bob-key', { authorized_keys: publicLine() });
  await soon(() => expect(usersOf(uid)).toEqual(['acme-web', 'acme-web-dev']));
  await quiet();
  clock = () => new Date('2026-06-01T00:00:01Z');
  // The expiry itself wakes the operator.
  await soon(() => expect(usersOf(uid)).toEqual(['acme-web']));
  putKey('alice-key', { 'ssh-publickey': publicLine(), id: PrivateKey.generateEd25519().toOpenSsh() });
  await soon(() => expect(reason('web', 'KeysValid')).toBe('PrivateKeyInSecret'));
  expect(usersOf(uid)).toEqual([]);
  putKey('alice-key', { 'ssh-publickey': publicLine() });
  await soon(() => expect(usersOf(uid)).toEqual(['acme-web']));
  putAccess('web', { enabled: false });
  await soon(() => expect(routeOf(uid)).toMatchObject({ enabled: false, users: [] }));
  await soon(() => expect(reason('web', 'Ready')).toBe('Disabled'));
  expect(labelOf('web')).toBe(true);
});

test('keys are kept; a lost or damaged one is made anew and both ends agree again', async () => {
  const uid = putAccess('web');
  await startOperator();
  await soon(() => expect(reason('web', 'Ready')).toBeDefined());
  const hostKeys = routeOf(uid)?.hostKeys;
  server.remove(secretAt(`route-${uid}`, 'sys'));
  await soon(() => expect(routeOf(uid)?.hostKeys).toEqual(hostKeys));
  const damaged = { ...secretOf(secretAt('web-sshaccess'))?.data, 'host-key': 'eA==' };
  server.put(secretAt('web-sshaccess'), { ...server.get(secretAt('web-sshaccess')), data: damaged });
  await soon(() => expect(routeOf(uid)?.hostKeys).not.toEqual(hostKeys));
  await soon(() => {
    const pod = secretOf(secretAt('web-sshaccess'));
    const mapping = PrivateKey.parse(textOf(secretOf(secretAt(`route-${uid}`, 'sys')), 'mapping-key') ?? '');
    expect(PrivateKey.parse(textOf(pod, 'host-key') ?? '').publicKey.toLine()).toBe(routeOf(uid)?.hostKeys[0]);
    expect(textOf(pod, 'mapping-key.pub')?.trim()).toBe(mapping.publicKey.toLine());
  });
});

test('objects of the same name that are not ours are left alone', async () => {
  putKey('web-sshaccess', { theirs: 'x' });
  server.put(serviceAt('web-sshaccess'), { metadata: {}, spec: { ports: [] } });
  const uid = putAccess('web');
  await startOperator();
  await soon(() => expect(reason('web', 'Ready')).toBe('NameTaken'));
  expect(secretOf(secretAt('web-sshaccess'))?.data).toEqual({ theirs: encode('x') });
  expect(server.get(serviceAt('web-sshaccess'))?.['spec']).toEqual({ ports: [] });
  expect(routeOf(uid)).toBeUndefined();
  server.remove(secretAt('web-sshaccess'));
  await soon(() => expect(routeOf(uid)).toBeDefined());
});

test('a route is kept current even when the Secret of the pods was taken over', async () => {
  const uid = putAccess('web');
  await startOperator();
  await soon(() => expect(usersOf(uid)).toEqual(['acme-web']));
  await quiet();
  server.remove(secretAt('web-sshaccess'));
  putKey('web-sshaccess', { theirs: 'x' });
  putAccess('web', { enabled: false });
  await soon(() => expect(usersOf(uid)).toEqual([]));
});

test('the older claim wins a username; when it goes the other gets it', async () => {
  const first = putAccess('web');
  // The test server's clock has milliseconds, the API's seconds: a clear order.
  await new Promise((resolve) => setTimeout(resolve, 10));
  putNamespace('other');
  const second = putAccess('x', { organization: 'acme', slug: 'web' }, 'other');
  await startOperator();
  await soon(() => expect(usersOf(first)).toEqual(['acme-web']));
  await soon(() => expect(reason('x', 'UsernamesOwned', 'other')).toBe('UsernameTaken'));
  expect(usersOf(second)).toEqual([]);
  const status = parseAccess(server.get(at('x', 'other'))).status;
  expect(status.conditions?.map(({ message }) => message).join()).not.toContain('acme/web');
  server.remove(at('web'));
  await soon(() => expect(usersOf(second)).toEqual(['acme-web']));
  expect(routeOf(first)).toBeUndefined();
});

test('an older SshAccess that is edited does not take a username from who has it, not even after a restart', async () => {
  putNamespace('acme-web');
  const thief = putAccess('x', {}, 'acme-web');
  await new Promise((resolve) => setTimeout(resolve, 10));
  const victim = putAccess('web', { slug: 'web-api' });
  await startOperator();
  await soon(() => expect([usersOf(victim), usersOf(thief)]).toEqual([['acme-web-api'], ['acme-web-x']]));
  await quiet();
  putAccess('x', { slug: 'api' }, 'acme-web');
  await soon(() => expect(reason('x', 'UsernamesOwned', 'acme-web')).toBe('UsernameTaken'));
  expect([usersOf(victim), usersOf(thief)]).toEqual([['acme-web-api'], []]);
  stop.abort();
  await running;
  stop = new AbortController();
  // Its users cannot log in for now; the name is still theirs.
  server.remove(secretAt('alice-key'));
  await startOperator();
  await soon(() => expect(usersOf(victim)).toEqual([]));
  await quiet();
  expect(usersOf(thief)).toEqual([]);
  putAccess('web', { slug: 'renamed' });
  await soon(() => expect(usersOf(thief)).toEqual(['acme-web-api']));
});

test('who waits under the name of an organization for its people has to make room for it', async () => {
  putNamespace('other');
  const squatter = putAccess('x', { organization: 'acme', slug: 'web' }, 'other');
  await startOperator();
  await soon(() => expect(usersOf(squatter)).toEqual(['acme-web']));
  const native = putAccess('web');
  await soon(() => expect([usersOf(native), usersOf(squatter)]).toEqual([['acme-web'], []]));
});

test('a namespace label changes the usernames at once', async () => {
  const uid = putAccess('web');
  await startOperator();
  await soon(() => expect(usersOf(uid)).toEqual(['acme-web']));
  const label = (value: string) =>
    server.put('/api/v1/namespaces/acme', { metadata: { labels: { 'sshaccess.dev/organization': value } } });
  label('org');
  await soon(() => expect(usersOf(uid)).toEqual(['org-web']));
  label('Not.Valid');
  await soon(() => expect(reason('web', 'UsernamesOwned')).toBe('InvalidOrganization'));
  expect(usersOf(uid)).toEqual([]);
});

test('a target that comes later is labelled; a former target is released', async () => {
  putAccess('web', { target: { name: 'late' } });
  await startOperator();
  await soon(() => expect(reason('web', 'Injected')).toBe('TargetNotFound'));
  putDeployment('late');
  await soon(() => expect(labelOf('late')).toBe(true));
  putAccess('web');
  await soon(() => expect(labelOf('web')).toBe(true));
  await soon(() => expect(labelOf('late')).toBe(false));
});

test('of two with one target the older labels it, and the other says so', async () => {
  putAccess('web');
  await new Promise((resolve) => setTimeout(resolve, 10));
  putAccess('second');
  await startOperator();
  await soon(() => expect(reason('second', 'Injected')).toBe('TargetTaken'));
  await quiet();
  expect(JSON.stringify(server.get(deploymentAt('web'))?.['spec'])).toContain(`"${LABEL_ACCESS}":"web"`);
});

test('Manual labels nothing and says what to type', async () => {
  putAccess('web', { rollout: 'Manual' });
  await startOperator();
  await soon(() => expect(reason('web', 'Injected')).toBe('LabelMissing'));
  expect(labelOf('web')).toBe(false);
});

test('deletion: route, label and finalizer go, also when the workload is gone or refuses', async () => {
  const uid = putAccess('web');
  await startOperator();
  await soon(() => expect(labelOf('web')).toBe(true));
  await quiet();
  server.remove(at('web'));
  await soon(() => expect(server.get(at('web'))).toBeUndefined());
  expect(routeOf(uid)).toBeUndefined();
  expect(labelOf('web')).toBe(false);

  putAccess('web');
  await soon(() => expect(labelOf('web')).toBe(true));
  await quiet();
  server.fail(100, 403, /PATCH .*deployments/);
  server.remove(at('web'));
  await soon(() => expect(server.get(at('web'))).toBeUndefined());
});

test('an SshAccess that does not parse says so, and can be deleted', async () => {
  server.put(at('web'), { metadata: { finalizers: [FINALIZER] }, spec: { users: 'x' } });
  await startOperator();
  await soon(() => expect(reason('web', 'Ready')).toBe('InvalidSpec'));
  server.remove(at('web'));
  await soon(() => expect(server.get(at('web'))).toBeUndefined());
});

test('a spec that does not parse lets nobody in, for it may be the one that revokes somebody', async () => {
  const uid = putAccess('web');
  await startOperator();
  await soon(() => expect(usersOf(uid)).toEqual(['acme-web']));
  await quiet();
  // The API server takes RFC 3339 in small letters too.
  const users = [{ secretRef: { name: 'alice-key' }, expiresAt: '2020-01-01t00:00:00z' }];
  server.put(at('web'), { ...server.get(at('web')), spec: { target: { name: 'web' }, users } });
  await soon(() => expect(usersOf(uid)).toEqual([]));
  await soon(() => expect(reason('web', 'Ready')).toBe('InvalidSpec'));
});

test('a refusal of the API server becomes a condition, and is retried', async () => {
  server.fail(1_000, 403, /POST .*acme\/secrets/);
  putAccess('web');
  await startOperator();
  await soon(() => expect(reason('web', 'Ready')).toBe('ApplyFailed'));
  server.fail(0, 403);
  await soon(() => expect(reason('web', 'Ready')).toBe('WaitingForPods'));
});

test('a route whose SshAccess is gone without its finalizer is deleted', async () => {
  server.put(secretAt('route-dead', 'sys'), { metadata: { labels: { 'sshaccess.dev/route': 'true' } } });
  server.put(secretAt('unrelated', 'sys'), { metadata: {} });
  await startOperator();
  await soon(() => expect(server.get(secretAt('route-dead', 'sys'))).toBeUndefined());
  expect(server.get(secretAt('unrelated', 'sys'))).toBeDefined();
});

test('pods that the webhook missed are rolled once, and only when it is back', async () => {
  putAccess('web');
  await startOperator();
  await soon(() => expect(labelOf('web')).toBe(true));
  putPod('web-1', 'web', false);
  await soon(() => expect(reason('web', 'Injected')).toBe('PodsNotInjected'));
  await quiet();
  const rolled = () =>
    /"sshaccess.dev\/rolled-at":"([^"]+)"/.exec(JSON.stringify(server.get(deploymentAt('web'))))?.[1];
  expect(rolled()).toBeUndefined();
  server.put('/apis/discovery.k8s.io/v1/namespaces/sys/endpointslices/hook-1', {
    metadata: { labels: { 'kubernetes.io/service-name': 'hook' } },
    endpoints: [{ conditions: { ready: true } }],
  });
  putPod('web-2', 'web', false);
  await soon(() => expect(rolled()).toBeDefined());
  const first = rolled();
  putPod('web-3', 'web', false);
  await quiet();
  expect(rolled()).toBe(first);
  // It helped, then the webhook missed another: a cause of its own.
  clock = () => new Date(Date.now() + 60_000);
  for (const name of ['web-1', 'web-2', 'web-3']) putPod(name, 'web');
  await soon(() => expect(reason('web', 'Injected')).toBe('PodsInjected'));
  clock = () => new Date(Date.now() + 120_000);
  putPod('web-4', 'web', false);
  await soon(() => expect(rolled()).not.toBe(first));
});
