import { logJson } from '../lib/process/log-fields.ts';
import type { Logger, LoggerOptions } from '../lib/process/logger.ts';

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
type Level = (typeof LEVELS)[number];

/** The sidecar's log, the same lines as the other programs'. Pino would cost every pod 2 MiB (docs/figures.md). */
export function createLogger(component: string, options: LoggerOptions = {}): Logger {
  const { level = process.env['LOG_LEVEL'] ?? 'info', write = writeToStdout } = options;
  const least = LEVELS.findIndex((name) => name === level);
  return loggerWith({ component }, (at) => least >= 0 && LEVELS.indexOf(at) >= least, write);
}

function loggerWith(bound: object, isWritten: (level: Level) => boolean, write: (line: string) => void): Logger {
  const at = (level: Level): Logger[Level] => {
    if (!isWritten(level)) return () => undefined;
    return (first: object | string, message?: string) => {
      const [fields, msg] = typeof first === 'string' ? [{}, first] : [first, message];
      write(`${logJson({ level, time: new Date().toISOString(), ...bound, ...fields, msg })}\n`);
    };
  };
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    fatal: at('fatal'),
    child: (fields) => loggerWith({ ...bound, ...fields }, isWritten, write),
  };
}

let heedsStdout = false;

function writeToStdout(line: string): void {
  // Who read the log is gone: no reason to end with it.
  if (!heedsStdout) process.stdout.on('error', () => undefined);
  heedsStdout = true;
  process.stdout.write(line);
}
