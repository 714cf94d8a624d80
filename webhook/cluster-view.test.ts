/** What is asked of the API server where the copies do not have it. */
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { TestApiServer } from '../lib/kube/testing/api-server.ts';
import { createLogger } from '../lib/process/logger.ts';
import { ClusterView, type ClusterViewOptions } from './cluster-view.ts';
import { WebhookMetrics } from './metrics.ts';
import { mutatePod } from './mutate-pod.ts';

const log = createLogger('webhook', { level: 'silent' });
const settings = {
  image: 'sidecar',
  pullPolicy: 'IfNotPresent',
  resources: { usual: {}, guaranteed: { cpu: '1', memory: '1Gi' } },
  metricsPort: 0,
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

const newView = (rest?: ClusterViewOptions['rest']): ClusterView =>
  new ClusterView({
    client: server.client(),
    namespaces: undefined,
    log,
    metrics,
    systemNamespace: 'sys',
    defaultLevel: 'privileged',
    rest,
  });

/** One that has read the cluster, and hears nothing of it any more. */
async function deafView(rest?: ClusterViewOptions['rest']): Promise<ClusterView> {
  const view = newView(rest);
  await view.start(stop.signal);
  stop.abort();
  return view;
}

const request = (
  labels: Record<string, unknown> = { 'sshaccess.dev/access': 'web' },
  namespace = 'acme',
  annotations?: Record<string, unknown>,
) => ({
  uid: 'u',
  kind: { group: '', version: 'v1', kind: 'Pod' },
  namespace,
  operation: 'CREATE',
  object: { metadata: { name: 'web-1', labels, annotations }, spec: { containers: [{ name: 'app' }] } },
});
const decide = async (view: ClusterView) => mutatePod(request(), await view.about(request()), settings).record;
const metrics = new WebhookMetrics();
/** Beyond those with which the copies began. */
const questions = (): string[] => server.requests.filter((line) => /\/namespaces\/[^/]+(\/sshaccesses)?$/.test(line));
const refused = async (): Promise<number | undefined> => {
  const counted = await metrics.registry.getSingleMetric('sshaccess_webhook_questions_total')?.get();
  return counted?.values.find(({ labels }) => labels['result'] === 'refused' && labels['about'] === 'namespace')?.value;
};

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

test('a spec for which the pod was rolled, and which is newer than its copy, is asked for; without an answer the copy is taken', async () => {
  server.put(namespaceAt, {});
  server.put(accessAt, { spec: { ...spec, processNamespace: 'Isolated' } });
  const view = await deafView();
  server.put(accessAt, { spec: { ...spec, processNamespace: 'Shared' } });
  const rolledFor = async (asked: unknown): Promise<string | undefined> => {
    const review = request(undefined, 'acme', { 'sshaccess.dev/process-namespace': asked });
    const cluster = await view.about(review);
    return cluster.access('acme', 'web')?.spec.processNamespace;
  };
  expect(await rolledFor('Isolated')).toBe('Isolated');
  expect(questions()).toEqual([]);
  expect(await rolledFor('Shared')).toBe('Shared');
  for (const nonsense of [7, undefined]) expect(await rolledFor(nonsense)).toBe('Shared');
  server.fail(1, 500, /sshaccesses$/);
  expect(await rolledFor('Shared')).toBe('Isolated');
});

test('that there is none is said where the API server says so, and nowhere else', async () => {
  server.put(namespaceAt, {});
  const view = await deafView();
  server.fail(1, 403, /sshaccesses$/);
  await expect(decide(view)).rejects.toMatchObject({ status: 403 });
  expect(await decide(view)).toMatchObject({ decision: 'skipped', reason: 'access-not-found' });
});

test('F2: a flood of reviews in the name of a tenant is one question at a time, and its own pod is seen to', async () => {
  server.put(namespaceAt, {});
  const view = await deafView();
  const flood = Array.from({ length: 500 }, (_, index) =>
    view.about(request({ 'sshaccess.dev/access': `no-${index}` })),
  );
  server.put(accessAt, { spec });
  expect(await decide(view)).toMatchObject({ decision: 'injected' });
  await Promise.all(flood);
  expect(questions().length).toBeLessThan(5);
});

test('F2: a pod whose SshAccess is known waits no longer for a newer one than the API server waits for us', async () => {
  server.put(namespaceAt, {});
  server.put(accessAt, { spec: { ...spec, processNamespace: 'Isolated' } });
  const crowd = Array.from({ length: 200 }, (_, index) => `mallory-${index}`);
  for (const name of crowd) server.put(`/api/v1/namespaces/${name}`, {});
  const view = await deafView();
  const release = server.hold(/sshaccesses$/);
  onTestFinished(release);
  const flood = Promise.allSettled(crowd.map((name) => view.about(request(undefined, name))));
  const cluster = await view.about(request(undefined, 'acme', { 'sshaccess.dev/process-namespace': 'Shared' }));
  expect(cluster.access('acme', 'web')?.spec.processNamespace).toBe('Isolated');
  // Before it was its turn: of 200 others, each as new as it, 50 are asked about at once, and none is answered.
  expect(questions().length).toBeLessThan(150);
  void flood;
});

test('F2: namespaces that somebody makes up take no turn of those that there are; how many were refused is counted', async () => {
  server.put(namespaceAt, {});
  const rest = Promise.withResolvers<void>();
  const view = await deafView(() => rest.promise);
  server.put(accessAt, { spec });
  const before = (await refused()) ?? 0;
  const flood = Promise.allSettled(
    Array.from({ length: 1_100 }, (_, index) => view.about(request({ 'sshaccess.dev/access': 'web' }, `no-${index}`))),
  );
  expect(await decide(view)).toMatchObject({ decision: 'injected' });
  expect(((await refused()) ?? 0) - before).toBe(100);
  // While the first ones rest nothing more is asked, but about the tenant.
  const madeUp = (): number => questions().filter((line) => line.includes('/no-')).length;
  await expect.poll(madeUp).toBe(10);
  rest.resolve();
  await flood;
  expect(madeUp()).toBeLessThanOrEqual(1_000);
});
