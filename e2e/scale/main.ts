/**
 * `npm run scale [-- COUNT]`: on a cluster of its own, many SshAccesses at once, each with a Deployment (of no pods) and a
 * Secret of its own; how long the operator takes, what it asks of the API server, and what it and the piper need. Prints
 * Markdown. Fails where it cannot measure, never because a figure is bad.
 */
import { cpus, loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { loadClient, type KubeClient } from '../../lib/kube/client.ts';
import { Informer } from '../../lib/kube/informer.ts';
import { DEPLOYMENTS, NAMESPACES, pathOf, SECRETS, type Resource } from '../../lib/kube/resources.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { messageOf, SetupError } from '../../scripts/machine/errors.ts';
import { step } from '../../scripts/machine/progress.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { install, kubectl } from '../cluster/deploy.ts';
import { ensureTestCluster } from '../cluster/test-cluster.ts';
import { callsBetween, callsIn, type Calls } from './api-calls.ts';
import { usageOf } from './usage.ts';

const NAMESPACE = 'scale';
const ACCESSES: Resource = { apiVersion: 'sshaccess.dev/v1alpha1', kind: 'SshAccess', plural: 'sshaccesses' };
const DEFAULT_COUNT = 1_000;
/** Requests of ours at a time: enough that the API server is what limits them. */
const AT_ONCE = 50;
/** Long enough for anything but a stall. */
const LONGEST_MS = 600_000;
/** What came by and by, as Events and statuses, is over. */
const SETTLE_MS = 15_000;
const IDLE_MS = 30_000;

const Seen = z.object({
  metadata: z.object({ generation: z.int() }),
  status: z.object({ observedGeneration: z.int().default(0) }).prefault({}),
});

const namesOf = (count: number): string[] => Array.from({ length: count }, (_, index) => `app-${index}`);

async function createAll(client: KubeClient, resource: Resource, manifests: readonly object[]): Promise<void> {
  const waiting = [...manifests];
  const work = async (): Promise<void> => {
    for (let manifest = waiting.shift(); manifest !== undefined; manifest = waiting.shift()) {
      const body = { apiVersion: resource.apiVersion, kind: resource.kind, ...manifest };
      await client.request(pathOf(resource, { namespace: NAMESPACE }), { method: 'POST', body });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/** What is there already when the SshAccesses come. */
async function prepare(client: KubeClient, names: readonly string[]): Promise<void> {
  await client.request(pathOf(NAMESPACES), { method: 'POST', body: { metadata: { name: NAMESPACE } } });
  const key = PrivateKey.generateEd25519().publicKey.toLine('scale');
  const secrets = names.map((name) => ({ metadata: { name }, stringData: { 'ssh-publickey': key } }));
  const deployments = names.map((name) => {
    const labels = { app: name };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'app', image: 'none.invalid/app' }] } };
    return { metadata: { name }, spec: { replicas: 0, selector: { matchLabels: labels }, template } };
  });
  await createAll(client, SECRETS, secrets);
  await createAll(client, DEPLOYMENTS, deployments);
}

/** Creates them all, and answers in how many seconds each had been looked at: for each number of them, as it was reached. */
async function reconcileAll(client: KubeClient, names: readonly string[]): Promise<number[]> {
  const stop = new AbortController();
  const reached = new Map<string, number>();
  const all = Promise.withResolvers<void>();
  const limit = setTimeout(() => {
    all.reject(
      new SetupError('STALLED', `only ${reached.size} of ${names.length} were reconciled; see the operator's log`),
    );
  }, LONGEST_MS);
  const begin = performance.now();
  const path = pathOf(ACCESSES, { namespace: NAMESPACE });
  const informer = new Informer({
    client,
    path,
    parse: (object) => Seen.parse(object),
    onChange: ({ name }, current) => {
      const isSeen = current !== undefined && current.status.observedGeneration >= current.metadata.generation;
      if (isSeen && !reached.has(name)) reached.set(name, (performance.now() - begin) / 1_000);
      if (reached.size === names.length) all.resolve();
    },
  });
  try {
    await informer.start(stop.signal);
    const accesses = names.map((name) => ({
      metadata: { name },
      spec: { target: { name }, users: [{ secretRef: { name } }] },
    }));
    await Promise.all([createAll(client, ACCESSES, accesses), all.promise]);
    return [...reached.values()];
  } finally {
    clearTimeout(limit);
    stop.abort();
  }
}

const apiCalls = async (cluster: Cluster): Promise<Calls> => callsIn(await kubectl(cluster, ['get', '--raw=/metrics']));

async function measure(cluster: Cluster, count: number): Promise<string> {
  process.env['KUBECONFIG'] = cluster.kubeconfigPath;
  const client = loadClient('sshaccess-scale');
  await install(cluster, ['--set', 'operator.replicas=1,piper.replicas=1']);
  // What a run before has left, where the cluster is kept.
  await kubectl(cluster, ['delete', 'namespace', NAMESPACE, '--ignore-not-found', '--wait']);
  const names = namesOf(count);
  await step(`${count} Deployments and Secrets`, () => prepare(client, names));
  const [calls, operator, piper] = await readings(cluster);
  const times = await step(`${count} SshAccesses`, () => reconcileAll(client, names));
  await sleep(SETTLE_MS);
  const [callsAfter, operatorAfter, piperAfter] = await readings(cluster);
  await sleep(IDLE_MS);
  const idle = await usageOf(cluster, 'operator');
  const cpu = (later: { cpuSeconds: number }, earlier: { cpuSeconds: number }): string =>
    `${(later.cpuSeconds - earlier.cpuSeconds).toFixed(2)} s`;
  const memory = (before: { rssMebibytes: number }, after: { rssMebibytes: number }): string =>
    `${before.rssMebibytes.toFixed(0)} → ${after.rssMebibytes.toFixed(0)} MiB`;
  const at = (share: number): string => `${(times[Math.ceil(times.length * share) - 1] ?? Number.NaN).toFixed(1)} s`;
  const perAccess = callsBetween(calls, callsAfter).map(([what, made]) => [what, (made / count).toFixed(2)] as const);
  return table([
    [`until half of ${count} have observedGeneration`, at(0.5)],
    ['until all have', at(1)],
    ['operator: CPU until then, and what follows', cpu(operatorAfter, operator)],
    ['operator: RSS', memory(operator, operatorAfter)],
    [`operator: CPU over ${IDLE_MS / 1_000} s idle`, cpu(idle, operatorAfter)],
    ['piper: CPU', cpu(piperAfter, piper)],
    ['piper: RSS', memory(piper, piperAfter)],
    ...perAccess.filter(([, each]) => each !== '0.00').map(([what, each]) => [`${what}, each`, each] as const),
  ]);
}

const readings = (cluster: Cluster) =>
  Promise.all([apiCalls(cluster), usageOf(cluster, 'operator'), usageOf(cluster, 'piper')]);

const table = (rows: readonly (readonly [string, string])[]): string =>
  ['|  |  |', '| --- | ---: |', ...rows.map((row) => `| ${row.join(' | ')} |`)].join('\n');

async function main([text = String(DEFAULT_COUNT)]: readonly string[]): Promise<void> {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new SetupError('USAGE', 'Say how many: npm run scale -- 1000');
  const cluster = await ensureTestCluster({ SSHACCESS_TEST_CLUSTER: 'scale', ...process.env });
  try {
    const before = loadavg()[0]?.toFixed(1);
    const figures = await measure(cluster, count);
    console.log(`npm run scale -- ${count}: ${cpus().length} cores (load before: ${before}), ${cluster.provider}\n`);
    console.log(figures);
  } finally {
    await cluster.stop();
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(`npm run scale: ${messageOf(error)}`);
  process.exitCode = 1;
}
