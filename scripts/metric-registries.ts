import type { Registry } from 'prom-client';
import * as z from 'zod';
import { apiMetrics } from '../lib/kube/api-metrics.ts';
import { OperatorMetrics } from '../operator/metrics.ts';
import { PiperMetrics } from '../piper/metrics.ts';
import { Counts } from '../sidecar/counts.ts';
import { Leftovers } from '../sidecar/leftovers.ts';
import { SidecarMetrics } from '../sidecar/metrics.ts';
import { WebhookMetrics } from '../webhook/metrics.ts';

export type DescribedMetric = {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  /** Each with all the words that it has from the start; none: they come as they come. */
  readonly labels: readonly { readonly name: string; readonly words: readonly string[] }[];
};

const none = (): number => 0;

/** Every metric of each program, as its own registry has it. */
export async function describedMetrics(): Promise<Readonly<Record<string, readonly DescribedMetric[]>>> {
  const operator = new OperatorMetrics();
  operator.watch({ queueDepth: none, isLeader: () => false, accesses: () => [] });
  const webhook = new WebhookMetrics();
  webhook.watchCertificate(() => undefined);
  const piper = new PiperMetrics();
  piper.watch({
    connections: none,
    sessions: none,
    traffic: () => ({ bytesIn: 0, bytesOut: 0 }),
    startUps: none,
    bans: none,
    routes: none,
    lastContact: () => undefined,
  });
  const described = Object.entries({ operator, webhook, piper }).map(async ([program, metrics]) => {
    metrics.readiness(() => undefined);
    apiMetrics(metrics.registry);
    return [program, await describe(metrics.registry)] as const;
  });
  return { ...Object.fromEntries(await Promise.all(described)), sidecar: describeSidecar() };
}

/** Those of a sidecar that nobody has come to. */
export function sidecarMetrics(): SidecarMetrics {
  const metrics = new SidecarMetrics({
    server: { port: undefined, connectionCount: 0, startUpCount: 0 },
    place: { counts: new Counts(), leftovers: new Leftovers() },
  });
  metrics.readiness(() => undefined);
  return metrics;
}

const describeSidecar = (): DescribedMetric[] =>
  sidecarMetrics().series.map(({ name, type, help, read }) => {
    const all = read().map(([, labels = {}]) => labels);
    const names = [...new Set(all.flatMap((labels) => Object.keys(labels)))];
    return { name, type, help, labels: names.map((label) => ({ name: label, words: wordsOf(label, all) })) };
  });

const wordsOf = (label: string, all: readonly Partial<Record<string, string | number>>[]): string[] => [
  ...new Set(all.flatMap((labels) => labels[label] ?? []).map(String)),
];

/** What prom-client keeps of a metric, and does not say in its types. */
const Kept = z.object({ name: z.string(), labelNames: z.array(z.string()) });

async function describe(registry: Registry): Promise<DescribedMetric[]> {
  const labelNames = new Map(
    registry.getMetricsAsArray().map((metric) => {
      const kept = Kept.parse(metric);
      return [kept.name, kept.labelNames];
    }),
  );
  const read = await registry.getMetricsAsJSON();
  return read.map(({ name, type, help, values }) => ({
    name,
    type: String(type),
    help,
    labels: (labelNames.get(name) ?? []).map((label) => ({
      name: label,
      words: wordsOf(
        label,
        values.map(({ labels }) => labels),
      ),
    })),
  }));
}
