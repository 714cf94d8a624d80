/**
 * The webhook: the creation of a pod with our label → the pod with ssh in it.
 * It reads SshAccesses, Namespaces and LimitRanges, and writes nothing.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { FIELD_MANAGERS } from '../crds/index.ts';
import { apiMetrics } from '../lib/kube/api-metrics.ts';
import { loadClient } from '../lib/kube/client.ts';
import { parseNamespaces } from '../lib/kube/namespaces.ts';
import { parseEnvironment } from '../lib/process/config.ts';
import { serveHealth } from '../lib/process/health.ts';
import { createLogger } from '../lib/process/logger.ts';
import { runProgram } from '../lib/process/run.ts';
import type { AdmissionRequest } from './admission-review.ts';
import { ClusterView } from './cluster-view.ts';
import { Config } from './config.ts';
import { WebhookMetrics } from './metrics.ts';
import { mutatePod } from './mutate-pod.ts';
import { admissionServer } from './server.ts';
import { followCertificate, readCertificate, tlsOptions } from './serving-certificate.ts';
import type { SidecarSettings } from './sidecar-container.ts';

const CERTIFICATE_PERIOD_MS = 10_000;
/** Until every API server has heard that we are no endpoint any more. Pods that it sends to a closed port are missed. */
const DRAIN_MS = 5_000;

const log = createLogger('webhook');

runProgram(log, async (signal) => {
  const config = parseEnvironment(Config, process.env);
  const metrics = new WebhookMetrics();
  const view = new ClusterView({
    client: loadClient(FIELD_MANAGERS.webhook, apiMetrics(metrics.registry)),
    namespaces: parseNamespaces(config.WATCH_NAMESPACES),
    log,
    metrics,
    systemNamespace: config.POD_NAMESPACE,
    defaultLevel: config.DEFAULT_POD_SECURITY_LEVEL,
  });
  // Not before it listens: pods that come in between are missed, and who rolls them again asks first whether we are ready.
  let isListening = false;
  const ready = (): string | undefined => (isListening ? undefined : 'the cluster has not been read yet');
  await serveHealth({ health: config.HEALTH_PORT, profiling: config.PROFILING_PORT }, { ready, metrics }, signal);

  let certificate = await readCertificate(config.TLS_DIR);
  metrics.watchCertificate(() => certificate);
  const settings = sidecarSettings(config);
  const answer = async (request: AdmissionRequest) => mutatePod(request, await view.about(request), settings);
  const { CLIENT_CA: clientCA } = config;
  const server = admissionServer(certificate, { answer, isStopping: () => signal.aborted, clientCA, metrics, log });
  const useCertificate = (next: typeof certificate): void => {
    server.server.setSecureContext(tlsOptions(next, clientCA));
    certificate = next;
    metrics.refreshed('changed');
    log.info('serving certificate changed');
  };
  followCertificate(
    { folder: config.TLS_DIR, periodMs: CERTIFICATE_PERIOD_MS, current: certificate },
    useCertificate,
    (error) => {
      metrics.refreshed('failed');
      log.warn({ err: error }, 'serving certificate not readable, the last one stays');
    },
    signal,
  );
  // Who still answers must still see: the API server keeps its connections to us until it has heard that we stop.
  const watching = new AbortController();
  await Promise.race([view.start(watching.signal), aborted(signal)]);
  await server.listen({ port: config.PORT, host: '::' });
  isListening = true;
  log.info({ port: config.PORT, image: config.SIDECAR_IMAGE }, 'serving');

  await aborted(signal);
  await delay(DRAIN_MS);
  await server.close();
  watching.abort();
});

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

function sidecarSettings(config: Config): SidecarSettings {
  return {
    image: config.SIDECAR_IMAGE,
    pullPolicy: config.SIDECAR_PULL_POLICY,
    resources: { usual: config.SIDECAR_RESOURCES, guaranteed: config.SIDECAR_GUARANTEED_RESOURCES },
    metricsPort: config.SIDECAR_METRICS_PORT,
  };
}
