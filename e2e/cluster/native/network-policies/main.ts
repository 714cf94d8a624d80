/**
 * The network plugin of a native cluster, as far as NetworkPolicies go: it follows the API server and keeps two chains of
 * iptables. It runs in the node, and ends with it. While no policy was ever there it watches for the first, and for no pod.
 *
 * It is our own because none of the known ones can be had and run wherever the native cluster does. kube-network-policies, the
 * smallest, has nftables queue packets to it, which a build machine's kernel need not know (CONFIG_NFT_QUEUE; this one's does
 * not); neither its module nor that of kube-router or K3s came with a checksum that could be verified; Calico and Cilium are
 * images, and far larger than what is tested here.
 *
 * What it does not do: pods are closed as soon as their address is known, which is a moment after they have started; and what
 * is connected stays so when a policy comes. Where it fails it tries again, and what was in the chains stays in them.
 *
 *   node main.ts --server https://… --certificates <folder>
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { run } from '../../../../scripts/machine/command.ts';
import { KubeClient } from '../../../../lib/kube/client.ts';
import { runController } from '../../../../lib/kube/controller.ts';
import { Informer } from '../../../../lib/kube/informer.ts';
import { NAMESPACES, pathOf, PODS } from '../../../../lib/kube/resources.ts';
import { WorkQueue } from '../../../../lib/kube/work-queue.ts';
import { createLogger, type Logger } from '../../../../lib/process/logger.ts';
import { runProgram } from '../../../../lib/process/run.ts';
import { chains } from './chains.ts';
import { isolated, type State } from './isolation.ts';
import { Namespace, NetworkPolicy, Pod } from './objects.ts';

const NAME = 'network-policies';
const NETWORK_POLICIES = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', plural: 'networkpolicies' };
/** Pods come and go in swarms. */
const SETTLE_MS = 50;
const RETRY = { firstMs: 200, lastMs: 5_000 };
/** kube-proxy, too, changes tables: for a while they may be somebody else's. */
const LONGEST_CHANGE_MS = 30_000;

async function main(log: Logger, signal: AbortSignal): Promise<void> {
  const { values } = parseArgs({ options: { server: { type: 'string' }, certificates: { type: 'string' } } });
  const client = await clientOf(values.server ?? '', values.certificates ?? '');
  const queue = new WorkQueue(RETRY);
  const onChange = (): void => queue.addAfter(NAME, SETTLE_MS);
  const options = { client, log, onChange, resyncMs: 0 };
  const policies = new Informer({
    ...options,
    path: pathOf(NETWORK_POLICIES),
    parse: (object) => NetworkPolicy.parse(object),
  });
  const pods = new Informer({ ...options, path: pathOf(PODS), parse: (object) => Pod.parse(object) });
  const namespaces = new Informer({ ...options, path: pathOf(NAMESPACES), parse: (object) => Namespace.parse(object) });

  const state = async (): Promise<State> => {
    const all = policies.list();
    if (all.length === 0) return { policies: [], pods: [], namespaces: [] };
    await Promise.all([pods.start(signal), namespaces.start(signal)]);
    return { policies: all, pods: pods.list(), namespaces: namespaces.list() };
  };
  let written = '';
  const reconcile = async (): Promise<object> => {
    const now = await state();
    const isolations = { Ingress: isolated('Ingress', now), Egress: isolated('Egress', now) };
    const wanted = chains(isolations);
    if (wanted === written) return {};
    await run('iptables-restore', ['--noflush', '--wait'], { input: wanted, timeout: LONGEST_CHANGE_MS });
    written = wanted;
    const closed = new Set(Object.values(isolations).flatMap((each) => each.map(({ address }) => address)));
    log.info({ pods: closed.size }, 'pods are closed as policies say');
    return {};
  };
  await policies.start(signal);
  queue.add(NAME);
  await runController({ name: NAME, queue, reconcile, workers: 1, log }, signal);
}

/** The administrator's certificate, without client-node, which is larger than all of this. */
async function clientOf(server: string, certificates: string): Promise<KubeClient> {
  const files = ['ca.crt', 'admin.crt', 'admin.key'].map((file) => readFile(join(certificates, file)));
  const [ca, cert, key] = await Promise.all(files);
  return new KubeClient(async () => ({ server, headers: {}, tls: { ca, cert, key } }), NAME);
}

const log = createLogger(NAME);
runProgram(log, (signal) => main(log, signal));
