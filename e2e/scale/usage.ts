/** What a program of ours has used, by the kernel of its pod. */
import * as z from 'zod';
import type { Cluster } from '../cluster/cluster.ts';
import { kubectl, systemNamespace } from '../cluster/deploy.ts';

const Metadata = z.object({ name: z.string(), deletionTimestamp: z.string().optional() });
const Pods = z.object({ items: z.array(z.object({ metadata: Metadata })) });

/** USER_HZ: what userspace is told is in these units, on each architecture that Kubernetes runs on. */
const TICKS_PER_SECOND = 100;

/** Of all replicas together. */
export type Usage = { cpuSeconds: number; rssMebibytes: number };

export async function usageOf(cluster: Cluster, component: string): Promise<Usage> {
  const selector = `app.kubernetes.io/component=${component}`;
  const found = await kubectl(cluster, ['get', 'pods', '-n', systemNamespace, '-l', selector, '-o', 'json']);
  const pods = Pods.parse(JSON.parse(found)).items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const all = await Promise.all(pods.map(({ metadata }) => usageOfPod(cluster, metadata.name)));
  return {
    cpuSeconds: all.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
    rssMebibytes: all.reduce((sum, { rssMebibytes }) => sum + rssMebibytes, 0),
  };
}

async function usageOfPod(cluster: Cluster, pod: string): Promise<Usage> {
  const read = ['exec', '-n', systemNamespace, pod, '--', 'cat', '/proc/1/stat', '/proc/1/status'];
  const text = await kubectl(cluster, read);
  // proc_pid_stat(5): utime and stime are fields 14 and 15; the second, a name in parentheses, may hold spaces.
  const fields = text.slice(text.indexOf(') ') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  return {
    cpuSeconds: ticks / TICKS_PER_SECOND,
    rssMebibytes: Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1]) / 1_024,
  };
}
