import { afterEach, beforeEach, expect, test } from 'vitest';
import { DEFAULT_POLICIES, LABEL_ENDPOINTS, LABEL_ROUTE, ROUTE_SECRET_KEYS } from '../../crds/index.ts';
import { ENDPOINT_SLICES, pathOf, SECRETS } from '../../lib/kube/resources.ts';
import { TestApiServer } from '../../lib/kube/testing/api-server.ts';
import { createLogger } from '../../lib/process/logger.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { mayBePod } from './addresses.ts';
import { ObjectDirectory } from './directory.ts';
import { kubernetesProvider } from './kubernetes-provider.ts';
import { LABEL_SERVICE_NAME } from './objects.ts';

const key = PrivateKey.generateEd25519();
const line = key.publicKey.toLine();
const server = new TestApiServer();
let stop = new AbortController();

beforeEach(async () => {
  stop = new AbortController();
  await server.start();
});
afterEach(async () => {
  stop.abort();
  await server.stop();
});

function secret(namespace: string, username: string, labels: Record<string, string> = { [LABEL_ROUTE]: 'true' }) {
  const users = [{ username, role: 'root', authorizedKeys: [line], policy: DEFAULT_POLICIES.root, uidOffset: 0 }];
  const names = { namespace: 'acme', name: 'hello', uid: 'u-1', service: 'hello-sshaccess' };
  const route = { version: 1, enabled: true, port: 2222, runtime: 'sidecar', hostKeys: [line], users, ...names };
  const encode = (text: string): string => Buffer.from(text).toString('base64');
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: `route-${username}`, namespace, labels },
    data: {
      [ROUTE_SECRET_KEYS.route]: encode(JSON.stringify(route)),
      [ROUTE_SECRET_KEYS.mappingKey]: encode(key.toOpenSsh()),
    },
  };
}

const slice = (namespace: string, addresses: string[]) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    name: 'hello-x',
    namespace,
    labels: { [LABEL_ENDPOINTS]: 'hello', [LABEL_SERVICE_NAME]: 'hello-sshaccess' },
  },
  addressType: 'IPv4',
  endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true, serving: true } })),
});

function put(object: ReturnType<typeof secret> | ReturnType<typeof slice>): void {
  const { kind, metadata } = object;
  server.put(pathOf(kind === 'Secret' ? SECRETS : ENDPOINT_SLICES, metadata), object);
}

function start(maxStalenessMs = 60_000) {
  const log = createLogger('piper', { level: 'silent' });
  const directory = new ObjectDirectory(log, mayBePod);
  const client = server.client();
  const provider = kubernetesProvider({ client, namespace: 'system', directory, maxStalenessMs, log });
  return { directory, provider };
}

test('C5: routes come from our own namespace, pods from the one of the workload, and both are followed', async () => {
  put(secret('system', 'acme-hello'));
  put(secret('acme', 'acme-evil'));
  put(secret('system', 'acme-other', {}));
  put(slice('acme', ['10.0.0.7', '127.0.0.1', '169.254.169.254']));
  put(slice('evil', ['10.6.6.6']));
  const { directory, provider } = start();
  expect(provider.problem()).toBe('routes and endpoints are not loaded yet');
  await provider.start(stop.signal);
  expect(provider.problem()).toBeUndefined();
  const route = directory.lookup('acme-hello')?.route;
  expect(route && directory.pods(route).map(({ address }) => address)).toEqual(['10.0.0.7']);
  expect([directory.lookup('acme-evil'), directory.lookup('acme-other')]).toEqual([undefined, undefined]);
  put(secret('system', 'acme-late'));
  await expect.poll(() => directory.lookup('acme-late')).toBeDefined();
  server.remove(pathOf(SECRETS, { namespace: 'system', name: 'route-acme-hello' }));
  await expect.poll(() => directory.lookup('acme-hello')).toBeUndefined();
});

test('A9: after too long a silence of the API server what we know is stale', async () => {
  const { directory, provider } = start(300);
  await provider.start(stop.signal);
  expect(directory.stale()).toBe(false);
  await server.stop();
  await expect.poll(() => directory.stale(), { timeout: 3_000 }).toBe(true);
  expect(provider.problem()).toMatch(/^no word from the API server for \d+ s$/);
});
