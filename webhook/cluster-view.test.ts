/** What is asked of the API server where the copies do not have it. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TestApiServer } from '../lib/kube/testing/api-server.ts';
import { createLogger } from '../lib/process/logger.ts';
import { ClusterView } from './cluster-view.ts';
import { mutatePod } from './mutate-pod.ts';

const log = createLogger('webhook', { level: 'silent' });
const settings = {
  image: 'sidecar',
  pullPolicy: 'IfNotPresent',
  resources: { usual: {}, guaranteed: { cpu: '1', memory: '1Gi' } },
};
const accessAt = '/apis/sshaccess.dev/v1alpha1/namespaces/acme/sshaccesses/web';
const namespaceAt = '/api/v1/namespaces/acme';
const spec = { target: { name: 'web' }, users: [{ secretRef: { name: 'alice' } }] };

let server: TestApiServer;
let stop: AbortController;
beforeEach(async () => {
  server = new TestApiServer();
  await server.start();
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await server.stop();
});

const newView = (): ClusterView =>
  new ClusterView({
    client: server.client(),
    namespaces: undefined,
    log,
    systemNamespace: 'sys',
    defaultLevel: 'privileged',
  });

/** One that has read the cluster, and hears nothing of it any more. */
async function deafView(): Promise<ClusterView> {
  const view = newView();
  await view.start(stop.signal);
  stop.abort();
  return view;
}

const request = (labels: Record<string, unknown> = { 'sshaccess.dev/access': 'web' }) => ({
  uid: 'u',
  kind: { group: '', version: 'v1', kind: 'Pod' },
  namespace: 'acme',
  operation: 'CREATE',
  object: { metadata: { name: 'web-1', labels }, spec: { containers: [{ name: 'app' }] } },
});
const decide = async (view: ClusterView) => mutatePod(request(), await view.about(request()), settings).record;
const questions = (): string[] => server.requests.filter((line) => /\/(acme|web)$/.test(line));

test('an SshAccess and a Namespace that are newer than the copies are asked for', async () => {
  const view = await deafView();
  server.put(namespaceAt, { metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } });
  server.put(accessAt, { spec });
  expect(await decide(view)).toMatchObject({ decision: 'injected', level: 'restricted' });
});

test('one that is made again under the name of one that was being deleted is asked for', async () => {
  server.put(namespaceAt, {});
  server.put(accessAt, { spec, metadata: { deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['x'] } });
  const view = await deafView();
  expect(await decide(view)).toMatchObject({ decision: 'skipped', reason: 'access-deleting' });
  server.put(accessAt, { spec });
  expect(await decide(view)).toMatchObject({ decision: 'injected' });
});

test('what the copies have is not asked for, nor what nobody selects', async () => {
  server.put(namespaceAt, {});
  server.put(accessAt, { spec });
  const view = newView();
  await view.start(stop.signal);
  expect(await decide(view)).toMatchObject({ decision: 'injected' });
  for (const labels of [{}, { 'sshaccess.dev/access': '' }, { 'sshaccess.dev/access': 7 }]) {
    await view.about(request(labels));
  }
  expect(questions()).toEqual([]);
});

test('that there is none is said where the API server says so, and nowhere else', async () => {
  server.put(namespaceAt, {});
  const view = await deafView();
  server.fail(1, 403, /web$/);
  await expect(decide(view)).rejects.toMatchObject({ status: 403 });
  expect(await decide(view)).toMatchObject({ decision: 'skipped', reason: 'access-not-found' });
});

test('a flood of reviews does not become as many questions', async () => {
  const view = await deafView();
  const flood = (name: (index: number) => string): Promise<unknown> =>
    Promise.allSettled(
      Array.from({ length: 500 }, (_, index) => view.about(request({ 'sshaccess.dev/access': name(index) }))),
    );
  await flood(() => 'web');
  expect(questions()).toHaveLength(2);
  await flood((index) => `no-${index}`);
  expect(server.requests.filter((line) => line.includes('/no-'))).toHaveLength(10);
  await expect(view.about(request())).resolves.toBeDefined();
});
