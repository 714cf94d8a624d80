import { setTimeout as sleep } from 'node:timers/promises';
import { runProgram } from '../lib/process/run.ts';
import { systemClock } from '../lib/ssh/clock.ts';
import { FIRST_START_MS, OUT_OF_SIGHT, trackApp } from './app-tracker.ts';
import { auditTo } from './audit.ts';
import { readConfig } from './config.ts';
import { STOP_GRACE_MS } from './limits.ts';
import { Leftovers } from './leftovers.ts';
import { createLogger } from './logger.ts';
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
  const place = { config, tracker, sidecar, leftovers: new Leftovers() };
  const server = new SidecarServer({
    port: config.port,
    place,
    audit: auditTo(process.stderr),
    log,
    clock: systemClock,
  });
  const onChange = (access: PodAccess | undefined): Promise<void> => server.setAccess(access);
  await followPodSecret({ directory: config.secretPath, log, onChange }, signal);
  await server.close();
  await programsEnded();
});

/** Programs have had their SIGHUP; the helper kills those that do not heed it. */
async function programsEnded(): Promise<void> {
  const deadline = performance.now() + STOP_GRACE_MS;
  while (process.getActiveResourcesInfo().includes('ProcessWrap') && performance.now() < deadline) await sleep(50);
}
