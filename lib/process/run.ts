import { ConfigError } from './config.ts';
import type { Logger } from './logger.ts';

const EXIT_FAILED = 1;
const EXIT_CONFIG = 2;

/**
 * Runs a program until it ends by itself or SIGTERM/SIGINT aborts its signal; then it has `graceMs` to finish.
 * SIGHUP, which Node would die of, is somebody's wish to have settings read again: these are read at the start, and what
 * may change meanwhile is watched. Only in a terminal it says that nobody is there any more.
 * Exit codes: 0 done, 1 failed or not finished in time, 2 bad configuration.
 */
export function runProgram(
  log: Logger,
  main: (signal: AbortSignal) => Promise<void>,
  { graceMs }: { graceMs: number } = { graceMs: 10_000 },
): void {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) return;
    log.info({ signal: name, graceMs }, 'stopping');
    controller.abort();
    // Not unref'd timers keep a hung program alive only until here.
    setTimeout(() => {
      log.error('did not stop in time');
      process.exit(EXIT_FAILED);
    }, graceMs).unref();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('SIGHUP', (name) => {
    if (process.stdin.isTTY) stop(name);
    else log.info('SIGHUP changes nothing: settings are read at the start');
  });
  main(controller.signal).then(
    () => process.exit(0),
    (error: unknown) => {
      log.fatal({ err: error }, 'failed');
      process.exit(error instanceof ConfigError ? EXIT_CONFIG : EXIT_FAILED);
    },
  );
}
