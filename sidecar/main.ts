import { setTimeout as sleep } from 'node:timers/promises';
import { runProgram } from '../lib/process/run.ts';
import { systemClock } from '../lib/ssh/clock.ts';
import { FIRST_START_MS, OUT_OF_SIGHT, trackApp } from './app-tracker.ts';
import { auditTo } from './audit.ts';
import { readConfig } from './config.ts';
import { Counts } from './counts.ts';
import { STOP_GRACE_MS } from './limits.ts';
import { Leftovers } from './leftovers.ts';
import { createLogger } from './logger.ts';
import type { MetricSources } from './metrics.ts';
import { followPodSecret, type PodAccess } from './pod-secret.ts';
import { SidecarServer } from './server.ts';
import { ownIds } from './place.ts';

const log = createLogger('sidecar');

runProgram(log, async (signal) => {
  const config = readConfig(process.env);
  const sidecar = ownIds();
  log.info({ config: { ...config, sidecar } }, 'starting');
  const tracker =
    config.processNamespace === 'isolated'
      ? OUT_OF_SIGHT
      : trackApp(config.enterPath, config.container, { signal, firstStartMs: FIRST_START_MS });
  const place = { config, tracker, sidecar, leftovers: new Leftovers(), counts: new Counts() };
  const server = new SidecarServer({
    port: config.port,
    place,
    audit: auditTo(process.stderr),
    log,
    clock: systemClock,
  });
  void answerMetrics(config.metricsPort, { server, place }, signal);
  const onChange = (access: PodAccess | undefined): Promise<void> => server.setAccess(access);
  await followPodSecret({ directory: config.secretPath, log, onChange }, signal);
  await server.close();
  await programsEnded();
});

/** Only where they are asked for is there anything to load. Without them ssh goes on: nobody loses it for a number. */
async function answerMetrics(port: number, sources: MetricSources, signal: AbortSignal): Promise<void> {
  if (port === 0) return;
  try {
    const { serveMetrics } = await import('./metrics.ts');
    await serveMetrics(port, sources, signal);
    log.info({ port }, 'serving metrics');
  } catch (error) {
    log.warn({ err: error, port }, 'metrics cannot be served here; ssh is');
  }
}

/** Programs have had their SIGHUP; the helper kills those that do not heed it. */
async function programsEnded(): Promise<void> {
  const deadline = performance.now() + STOP_GRACE_MS;
  while (process.getActiveResourcesInfo().includes('ProcessWrap') && performance.now() < deadline) await sleep(50);
}
