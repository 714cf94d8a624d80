/**
 * The webhook: the creation of a pod with our label → the pod with ssh in it.
 * It reads SshAccesses, Namespaces and LimitRanges, and writes nothing.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { API_VERSION, FIELD_MANAGERS, KIND, PLURAL } from '../crds/index.ts';
import { loadClient } from '../lib/kube/client.ts';
import { follow, followNamespaces, parseNamespaces } from '../lib/kube/namespaces.ts';
import { parseEnvironment } from '../lib/process/config.ts';
import { serveHealth } from '../lib/process/health.ts';
import { createLogger } from '../lib/process/logger.ts';
import { runProgram } from '../lib/process/run.ts';
import { Config } from './config.ts';
import { Access, type Cluster } from './injection-plan.ts';
import { LimitRange } from './limit-range.ts';
import { mutatePod } from './mutate-pod.ts';
import { Namespace } from './namespace.ts';
import { admissionServer } from './server.ts';
import { followCertificate, readCertificate } from './serving-certificate.ts';
import type { SidecarSettings } from './sidecar-container.ts';

const CERTIFICATE_PERIOD_MS = 10_000;
/** Until every API server has heard that we are no endpoint any more. Pods that it sends to a closed port are missed. */
const DRAIN_MS = 5_000;

const log = createLogger('webhook');

runProgram(log, async (signal) => {
  const config = parseEnvironment(Config, process.env);
  const client = loadClient(FIELD_MANAGERS.webhook);
  const watched = parseNamespaces(config.WATCH_NAMESPACES);
  const sshAccesses = { apiVersion: API_VERSION, kind: KIND, plural: PLURAL };
  const accesses = follow<Access>(sshAccesses, watched, {
    client,
    log,
    parse: (object) => Access.parse(object),
  });
  const namespaces = followNamespaces<Namespace>(watched, {
    client,
    log,
    metadataOnly: true,
    parse: (object) => Namespace.parse(object),
  });
  const limitRanges = follow<LimitRange>({ apiVersion: 'v1', kind: 'LimitRange', plural: 'limitranges' }, watched, {
    client,
    log,
    parse: (object) => LimitRange.parse(object),
  });
  const informers = [accesses, namespaces, limitRanges];
  // Not before it listens: pods that come in between are missed, and who rolls them again asks first whether we are ready.
  let isListening = false;
  const ready = (): string | undefined => (isListening ? undefined : 'the cluster has not been read yet');
  await serveHealth(config.HEALTH_PORT, { ready }, signal);

  const cluster: Cluster = {
    access: (namespace, name) => accesses.get(namespace, name),
    namespaceLabels: (name) => namespaces.get('', name)?.metadata.labels,
    limitRanges: (namespace) => limitRanges.list().filter(({ metadata }) => metadata.namespace === namespace),
    systemNamespace: config.POD_NAMESPACE,
    defaultLevel: config.DEFAULT_POD_SECURITY_LEVEL,
  };
  const certificate = await readCertificate(config.TLS_DIR);
  const settings = sidecarSettings(config);
  const server = admissionServer(certificate, (request) => mutatePod(request, cluster, settings), log);
  const useCertificate = (next: typeof certificate): void => {
    server.server.setSecureContext({ ...next, minVersion: 'TLSv1.2' });
    log.info('serving certificate changed');
  };
  followCertificate(
    { folder: config.TLS_DIR, periodMs: CERTIFICATE_PERIOD_MS, current: certificate },
    useCertificate,
    (error) => log.warn({ err: error }, 'serving certificate not readable, the last one stays'),
    signal,
  );
  await Promise.all(informers.map((informer) => informer.start(signal)));
  await server.listen({ port: config.PORT, host: '::' });
  isListening = true;
  log.info({ port: config.PORT, sidecar: config.SIDECAR_IMAGE }, 'serving');

  if (!signal.aborted) await once(signal, 'abort');
  await delay(DRAIN_MS);
  await server.close();
});

function sidecarSettings(config: Config): SidecarSettings {
  return {
    image: config.SIDECAR_IMAGE,
    pullPolicy: config.SIDECAR_PULL_POLICY,
    resources: { usual: config.SIDECAR_RESOURCES, guaranteed: config.SIDECAR_GUARANTEED_RESOURCES },
  };
}
