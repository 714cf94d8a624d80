/** What a program of ours has used, by its own metrics. */
import * as z from 'zod';
import type { Cluster } from '../cluster/cluster.ts';
import { kubectl, systemNamespace } from '../cluster/deploy.ts';

const Metadata = z.object({ name: z.string(), deletionTimestamp: z.string().optional() });
const Pods = z.object({ items: z.array(z.object({ metadata: Metadata })) });

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
  const text = await kubectl(cluster, [
    'get',
    '--raw',
    `/api/v1/namespaces/${systemNamespace}/pods/${pod}:8080/proxy/metrics`,
  ]);
  const valueOf = (metric: string): number => Number(new RegExp(`^${metric} (\\S+)$`, 'm').exec(text)?.[1]);
  return {
    cpuSeconds: valueOf('process_cpu_seconds_total'),
    rssMebibytes: valueOf('process_resident_memory_bytes') / 1_048_576,
  };
}
