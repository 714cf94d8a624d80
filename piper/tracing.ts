import { hostname } from 'node:os';
import type { Logger } from '../lib/process/logger.ts';
import type { Tracing } from '../lib/process/tracing/otlp.ts';
import { VERSION } from '../lib/process/version.ts';
import type { PiperConfig } from './config.ts';
import { type BeginTrace, LoginTrace } from './login-trace.ts';
import type { PiperMetrics } from './metrics.ts';

/** Undefined where nobody wants traces: then nothing of it is loaded. */
export async function tracingOf(
  { tracing, source, pod }: Pick<PiperConfig, 'tracing' | 'source' | 'pod'>,
  metrics: PiperMetrics,
  log: Logger,
): Promise<Tracing | undefined> {
  if (tracing === undefined) return undefined;
  const { startTracing } = await import('../lib/process/tracing/otlp.ts');
  log.info({ config: tracing }, 'traces of logins are sent');
  return startTracing({
    ...tracing,
    resource: {
      'service.name': 'sshaccess-piper',
      'service.instance.id': pod?.uid ?? hostname(),
      'service.version': VERSION,
      ...('namespace' in source ? { 'k8s.namespace.name': source.namespace } : {}),
      ...(pod === undefined ? {} : { 'k8s.pod.name': pod.name, 'k8s.pod.uid': pod.uid }),
    },
    count: metrics.spans,
    onChange: (problem) => {
      if (problem === undefined) log.info('the collector takes all traces again');
      else log.warn({ problem }, 'the collector does not take all traces');
    },
  });
}

/** @param tracing undefined: no connection has a trace */
export const tracesBy = (tracing: Pick<Tracing, 'record'> | undefined): BeginTrace | undefined =>
  tracing && ((options) => new LoginTrace({ ...options, record: tracing.record }));
