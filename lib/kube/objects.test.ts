import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLogger } from '../process/logger.ts';
import { apply, applyStatus, create, deleteIfExists, getIfExists, jsonPatch } from './apply.ts';
import { setCondition, type Condition } from './conditions.ts';
import { KubeError } from './errors.ts';
import { EventRecorder } from './event-recorder.ts';
import { addFinalizer, removeFinalizer } from './finalizers.ts';
import { microTime } from './micro-time.ts';
import { parseKey } from './object-key.ts';
import { controllerReference, isControlledBy } from './owner-reference.ts';
import { LEASES, pathOf, SECRETS } from './resources.ts';
import { TestApiServer } from './testing/api-server.ts';

const PATH = '/api/v1/namespaces/ns/secrets/a';
const fieldManager = 'us';
const log = createLogger('test', { level: 'silent' });
let server: TestApiServer;
beforeEach(async () => {
  server = new TestApiServer();
  await server.start();
});
afterEach(async () => {
  await server.stop();
});
const metadata = { namespace: 'ns', name: 'a' };

test('paths of core and grouped kinds', () => {
  expect(pathOf(SECRETS)).toBe('/api/v1/secrets');
  expect(pathOf(LEASES, { namespace: 'ns', name: 'a' })).toBe('/apis/coordination.k8s.io/v1/namespaces/ns/leases/a');
  expect(parseKey('ns/a')).toEqual({ namespace: 'ns', name: 'a' });
});

test.each(['', '.', '..'])('C5: no path leads through the name "%s"', (name) => {
  expect(() => pathOf(SECRETS, { namespace: 'acme', name })).toThrow('no name');
  expect(() => pathOf(SECRETS, { namespace: name, name: 'x' })).toThrow('no name');
  expect(pathOf(SECRETS, { namespace: 'acme', name: '../../kube-system/secrets/x' })).toBe(
    '/api/v1/namespaces/acme/secrets/..%2F..%2Fkube-system%2Fsecrets%2Fx',
  );
});

test('apply owns its fields, releases what it no longer names, and leaves the rest alone', async () => {
  server.put(PATH, { metadata: { labels: { theirs: '1' } } });
  const client = server.client();
  await apply(client, SECRETS, { metadata: { ...metadata, labels: { ours: '1' } } }, { fieldManager });
  expect(server.get(PATH)?.metadata.labels).toEqual({ theirs: '1', ours: '1' });
  await apply(client, SECRETS, { metadata }, { fieldManager });
  expect(server.get(PATH)?.metadata.labels).toEqual({ theirs: '1' });
});

test('errors say what the API server said', async () => {
  const client = server.client();
  await create(client, SECRETS, { metadata }, { fieldManager });
  const failure = await create(client, SECRETS, { metadata }, { fieldManager }).catch(KubeError.from);
  expect(failure).toMatchObject({ code: 'AlreadyExists', isAlreadyExists: true, isConflict: false });
  const stale = apply(client, SECRETS, { metadata: { ...metadata, resourceVersion: '1' } }, { fieldManager });
  expect(await stale.catch(KubeError.from)).toMatchObject({ isConflict: true });
  await server.stop();
  expect(await client.request('/api').catch(KubeError.from)).toMatchObject({ isUnreachable: true });
});

test('status is written only when it differs', async () => {
  server.put(PATH, { metadata: {} });
  const write = (value: number, current: unknown) =>
    applyStatus(server.client(), SECRETS, { metadata, status: { value, none: undefined } }, { fieldManager, current });
  expect(await write(1, undefined)).toBe(true);
  expect(await write(1, { value: 1 })).toBe(false);
  expect(server.get(PATH)?.['status']).toEqual({ value: 1 });
});

test('a silent watch ends; a silent answer is an error', async () => {
  const client = server.client();
  const events: unknown[] = [];
  // A watch that is not open in that time has failed, also on a machine that has much else to do.
  let isOpen = false;
  const onOpen = () => {
    isOpen = true;
  };
  for await (const event of client.watch('/api/v1/secrets', { timeoutMs: 3_000, onOpen })) events.push(event);
  expect([isOpen, events]).toEqual([true, []]);
  const silent = client.request('/api/v1/secrets', { query: { watch: true }, timeoutMs: 100 });
  await expect(silent).rejects.toMatchObject({ isUnreachable: true });
});

test('getIfExists and deleteIfExists take absence for an answer', async () => {
  const client = server.client();
  expect(await getIfExists(client, SECRETS, metadata)).toBeUndefined();
  expect(await deleteIfExists(client, SECRETS, metadata)).toBe(false);
  server.put(PATH, { metadata: {} });
  expect(await deleteIfExists(client, SECRETS, metadata)).toBe(true);
  server.fail(1, 403);
  await expect(getIfExists(client, SECRETS, metadata)).rejects.toMatchObject({ status: 403, isRefused: true });
});

test('finalizers are added and removed beside those of others', async () => {
  server.put(PATH, { metadata: { finalizers: ['theirs'] } });
  const current = () => {
    const stored = server.get(PATH);
    return { resourceVersion: stored?.metadata.resourceVersion, finalizers: stored?.metadata.finalizers };
  };
  const client = server.client();
  await jsonPatch(client, PATH, addFinalizer(current(), 'ours') ?? [], { fieldManager });
  expect(current().finalizers).toEqual(['theirs', 'ours']);
  expect(addFinalizer(current(), 'ours')).toBeUndefined();
  const stale = removeFinalizer({ ...current(), resourceVersion: '1' }, 'ours') ?? [];
  await expect(jsonPatch(client, PATH, stale, { fieldManager })).rejects.toMatchObject({ isConflict: true });
  await jsonPatch(client, PATH, removeFinalizer(current(), 'ours') ?? [], { fieldManager });
  expect(current().finalizers).toEqual(['theirs']);
  expect(removeFinalizer(current(), 'ours')).toBeUndefined();
  expect(addFinalizer({}, 'ours')?.at(-1)).toMatchObject({ path: '/metadata/finalizers', value: ['ours'] });
});

test('a condition keeps its transition time until its status changes', () => {
  const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second));
  const next = (status: Condition['status'], reason: string) => ({ type: 'Ready', status, reason, message: '' });
  const first = setCondition([], next('False', 'A'), at(1));
  const second = setCondition(first, next('False', 'B'), at(2));
  const third = setCondition(second, next('True', 'C'), at(3));
  expect(first[0]?.lastTransitionTime).toBe('2026-01-01T00:00:01Z');
  expect(second[0]).toMatchObject({ reason: 'B', lastTransitionTime: '2026-01-01T00:00:01Z' });
  expect(third[0]?.lastTransitionTime).toBe('2026-01-01T00:00:03Z');
});

test('a controller reference is recognised by uid', () => {
  const reference = controllerReference({ apiVersion: 'x/v1', kind: 'X' }, { name: 'a', uid: 'u1' });
  expect(isControlledBy([reference], 'u1')).toBe(true);
  expect(isControlledBy([reference], 'u2')).toBe(false);
  expect(isControlledBy([{ ...reference, controller: false }], 'u1')).toBe(false);
  expect(isControlledBy(undefined, 'u1')).toBe(false);
});

test('events are written once, and never fail their reporter', async () => {
  const recorder = new EventRecorder({ client: server.client(), controller: 'x/operator', instance: 'pod', log });
  const regarding = { apiVersion: 'x/v1', kind: 'X', namespace: 'ns', name: 'a', uid: 'u1' };
  const details = { type: 'Normal' as const, reason: 'RouteUpdated', action: 'Reconcile', note: 'ä'.repeat(2_000) };
  await recorder.record(regarding, details);
  await recorder.record(regarding, details);
  expect(server.requests).toEqual(['POST /apis/events.k8s.io/v1/namespaces/ns/events']);
  server.fail(1, 403);
  await recorder.record({ ...regarding, uid: 'u2' }, details);
});

test('micro times have six digits', () => {
  expect(microTime(new Date(1_234))).toBe('1970-01-01T00:00:01.234000Z');
});
