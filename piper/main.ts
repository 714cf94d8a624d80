import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { FIELD_MANAGERS, GROUP } from '../crds/index.ts';
import { apiMetrics } from '../lib/kube/api-metrics.ts';
import { loadClient, type KubeClient } from '../lib/kube/client.ts';
import { EventRecorder } from '../lib/kube/event-recorder.ts';
import { ConfigError } from '../lib/process/config.ts';
import { serveHealth } from '../lib/process/health.ts';
import { createLogger, type Logger } from '../lib/process/logger.ts';
import { runProgram } from '../lib/process/run.ts';
import { nativeCiphersAvailable, nativeCiphersProblem } from '../lib/ssh/transport/ciphers/native.ts';
import { serveAdmin } from './abuse/admin.ts';
import { BanEvents } from './abuse/ban-events.ts';
import { LONGEST_DRAIN_MS, readConfig, type PiperConfig } from './config.ts';
import { isLiteral, mayBePod } from './directory/addresses.ts';
import { ObjectDirectory } from './directory/directory.ts';
import { FileProvider } from './directory/file-provider.ts';
import { kubernetesProvider } from './directory/kubernetes-provider.ts';
import type { Provider } from './directory/provider.ts';
import { eventBudget } from './event-budget.ts';
import { HostKeyFolder } from './host-keys/host-key-folder.ts';
import { PiperMetrics } from './metrics.ts';
import { Piper } from './piper.ts';
import { SessionReporter } from './presence/reporter.ts';
import { tracesBy, tracingOf } from './tracing.ts';
import { KubernetesWitness, NO_WITNESS, type Witness } from './witness.ts';

/** How long before the grace ends terminals are told, or half of it. */
const WARNING_MS = 60_000;

/** Time for the last goodbyes to leave the socket. */
const GOODBYE_MS = 500;

/**
 * Small buffers are slices of larger ones, and a slice keeps the whole: what a session remembers (a key, a name) must not
 * keep the 64 KiB in which its handshake was.
 */
const SMALL_BUFFERS_BYTES = 4096;

/** The piper: users come in, packets go on to pods. */
async function main(signal: AbortSignal, log: Logger): Promise<void> {
  Buffer.poolSize = SMALL_BUFFERS_BYTES;
  const config = readConfig(process.env, process.argv.slice(2));
  if (!nativeCiphersAvailable) {
    log.fatal({ err: nativeCiphersProblem }, 'no native AES');
    throw new ConfigError(
      "ssh2's native AES-GCM, as this project builds it, does not load in this Node; run `npm ci` (the log says why)",
    );
  }
  const hostKeys = new HostKeyFolder(config.hostKeyFolder, log);
  await hostKeys.load();
  const metrics = new PiperMetrics();
  const tracing = await tracingOf(config, metrics, log);
  const { directory, provider, witness, report } = world(config, metrics, log);
  const piper = new Piper({
    directory,
    provider,
    hostKeys: () => hostKeys.keys,
    authorities: config.authorities,
    limits: config.limits,
    log,
    witness,
    metrics,
    beginTrace: tracesBy(tracing),
  });
  const stopped = new AbortController();
  void hostKeys.follow(stopped.signal);
  const ready = (): string | undefined => (signal.aborted ? 'draining' : piper.problem());
  await serveHealth(config.ports, { ready, metrics }, stopped.signal);
  if (config.adminPort !== 0) await serveAdmin(config.adminPort, piper, stopped.signal);
  const reporter = report?.(piper);
  reporter?.start();
  const started = start(piper, config, log);
  // The API server may never answer; that must not keep us from stopping.
  await Promise.race([Promise.all([started, aborted(signal)]), aborted(signal)]);
  await drain(piper, config, log);
  await Promise.all([reporter?.stop(), tracing?.stop()]);
  stopped.abort();
}

/** Files are read at once. The API server may be long in answering: who comes meanwhile is told that we have no word yet. */
async function start(piper: Piper, { port: wanted, source }: PiperConfig, log: Logger): Promise<void> {
  if ('files' in source) await piper.serve();
  const port = await piper.listen(wanted);
  if (!('files' in source)) await piper.serve();
  log.info({ port }, 'listening');
}

/** Where routes come from, and who is told of bans, logins and refusals, and of who is there. */
type World = {
  directory: ObjectDirectory;
  provider: Provider;
  witness: Witness;
  report: ((piper: Piper) => SessionReporter) | undefined;
};

function world(config: PiperConfig, metrics: PiperMetrics, log: Logger): World {
  if ('files' in config.source) {
    // Whoever writes these files runs the piper: loopback is theirs to name.
    const directory = new ObjectDirectory(log, isLiteral);
    const provider = new FileProvider(config.source.files, directory, log);
    return { directory, provider, witness: NO_WITNESS, report: undefined };
  }
  const directory = new ObjectDirectory(log, mayBePod);
  const client = loadClient(FIELD_MANAGERS.piper, apiMetrics(metrics.registry));
  const { namespace, watched } = config.source;
  const { maxStalenessMs } = config;
  const provider = kubernetesProvider({ client, namespace, watched, directory, maxStalenessMs, log });
  const pod = config.pod && { namespace, ...config.pod };
  const report = pod && ((piper: Piper) => new SessionReporter({ client, pod, read: () => piper.report(), log }));
  return { directory, provider, witness: witnessFor(client, config, namespace, log), report };
}

function witnessFor(client: KubeClient, { pod }: PiperConfig, namespace: string, log: Logger): Witness {
  const events = new EventRecorder({
    client,
    controller: `${GROUP}/piper`,
    instance: pod?.name ?? hostname(),
    log,
    hasRoom: eventBudget(),
  });
  const bans = pod && new BanEvents(events, { apiVersion: 'v1', kind: 'Pod', namespace, ...pod });
  return new KubernetesWitness(events, bans);
}

/** An upgrade drops nobody before the grace ends; a person at a terminal presses Ctrl-C a second time. */
async function drain(piper: Piper, { drainGraceMs, drainQuietMs }: PiperConfig, log: Logger): Promise<void> {
  const hurry = new AbortController();
  const grace = setTimeout(() => hurry.abort(), drainGraceMs);
  const leadMs = Math.min(WARNING_MS, drainGraceMs / 2);
  const warning = setTimeout(() => piper.connections.warnOfEnd(leadMs), drainGraceMs - leadMs);
  process.on('SIGINT', () => hurry.abort());
  log.info({ connections: piper.connections.size, graceMs: drainGraceMs }, 'draining');
  await piper.drain(hurry.signal, drainQuietMs);
  clearTimeout(grace);
  clearTimeout(warning);
  await delay(GOODBYE_MS);
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

const log = createLogger('piper');
runProgram(log, (signal) => main(signal, log), { graceMs: LONGEST_DRAIN_MS });
