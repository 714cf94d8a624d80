import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { DEFAULT_POLICIES, LABEL_ENDPOINTS, LABEL_ROUTE, ROUTE_SECRET_KEYS } from '../../crds/index.ts';
import { createLogger } from '../../lib/process/logger.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { isLiteral } from './addresses.ts';
import { ObjectDirectory } from './directory.ts';
import { FileProvider } from './file-provider.ts';
import { LABEL_SERVICE_NAME } from './objects.ts';

const key = PrivateKey.generateEd25519();
const names = { namespace: 'acme', name: 'hello', uid: 'u-1', service: 'hello-sshaccess' };

function secret(username: string, form: 'data' | 'stringData'): string {
  const line = key.publicKey.toLine();
  const users = [{ username, role: 'root', authorizedKeys: [line], policy: DEFAULT_POLICIES.root, uidOffset: 0 }];
  const route = { version: 1, enabled: true, port: 2222, runtime: 'sidecar', hostKeys: [line], users, ...names };
  const plain = {
    [ROUTE_SECRET_KEYS.route]: JSON.stringify(route),
    [ROUTE_SECRET_KEYS.mappingKey]: key.toOpenSsh(),
  };
  const encoded = Object.fromEntries(
    Object.entries(plain).map(([name, text]) => [name, Buffer.from(text).toString('base64')]),
  );
  const metadata = { name: username, namespace: 'system', labels: { [LABEL_ROUTE]: 'true' } };
  return stringify({ apiVersion: 'v1', kind: 'Secret', metadata, [form]: form === 'data' ? encoded : plain });
}

const slice = stringify({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    name: 's',
    namespace: 'acme',
    labels: { [LABEL_ENDPOINTS]: 'hello', [LABEL_SERVICE_NAME]: 'hello-sshaccess' },
  },
  addressType: 'IPv4',
  endpoints: [{ addresses: ['127.0.0.1'] }],
});

let folder = '';
let stop = new AbortController();
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'routes-'));
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await rm(folder, { recursive: true });
});

async function load(files: Record<string, string>) {
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const errors: unknown[] = [];
  const log = createLogger('piper', { level: 'error', write: (line) => errors.push(line) });
  const directory = new ObjectDirectory(log, isLiteral);
  const provider = new FileProvider(folder, directory, log);
  expect(provider.problem()).toBe('routes are not loaded yet');
  await provider.start(stop.signal);
  expect(provider.problem()).toBeUndefined();
  return { directory, errors };
}

test('Secrets and EndpointSlices come from one file or many, encoded or plain', async () => {
  const { directory, errors } = await load({
    'a.yaml': `${secret('acme-hello', 'data')}---\n${slice}---\n`,
    'b.yml': secret('acme-hello-dev', 'stringData'),
    'README.md': 'not: [yaml',
  });
  expect(errors).toEqual([]);
  const login = directory.lookup('acme-hello');
  expect(login && directory.pods(login.route)).toMatchObject([
    { name: '127.0.0.1', address: '127.0.0.1', state: 'ready' },
  ]);
  expect(directory.lookup('acme-hello-dev')).toBeDefined();
});

test('A9: a document that does not parse grants nothing; the others of its file do', async () => {
  const { directory, errors } = await load({
    'a.yaml': `kind: Deployment\n---\n${secret('acme-hello', 'stringData')}---\n{ broken\n`,
  });
  expect(directory.lookup('acme-hello')).toBeDefined();
  expect(errors.length).toBeGreaterThanOrEqual(2);
});

test('changes are followed: a file replaced, added, removed', async () => {
  const { directory } = await load({ 'a.yaml': secret('acme-a', 'data') });
  const changes: string[] = [];
  directory.onChange((former) => changes.push(...former.keys()));
  await writeFile(join(folder, 'b.tmp'), secret('acme-b', 'data'));
  await rename(join(folder, 'b.tmp'), join(folder, 'b.yaml'));
  await expect.poll(() => directory.lookup('acme-b')).toBeDefined();
  expect(changes).toEqual(['acme-b']);
  await rm(join(folder, 'a.yaml'));
  await expect.poll(() => directory.lookup('acme-a')).toBeUndefined();
  expect(changes).toEqual(['acme-b', 'acme-a']);
});

test('C5: a Secret without our label is none of ours', async () => {
  const { directory } = await load({ 'a.yaml': secret('acme-a', 'data').replace(LABEL_ROUTE, 'else.example/route') });
  expect(directory.lookup('acme-a')).toBeUndefined();
});
