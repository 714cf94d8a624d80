import { pino } from 'pino';
import { logJson } from './log-fields.ts';
import type { LogFields, Vocabulary } from './log-vocabulary.ts';

type Log = {
  (message: string): void;
  <Fields extends LogFields>(fields: Vocabulary<Fields>, message: string): void;
};

type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** A program's log. Messages are constant and lower case; what varies goes into fields. */
export type Logger = Record<Level, Log> & {
  /** A logger whose lines carry these fields, too. */
  child: <Fields extends LogFields>(fields: Vocabulary<Fields>) => Logger;
};

export type LoggerOptions = {
  /** The least that is written: trace, debug, info, warn, error, fatal; silent: nothing. */
  level?: string | undefined;
  write?: (line: string) => void;
};

/**
 * The one logger of a program: JSON lines on stdout, with `component` in each. The sidecar has a smaller one that writes
 * the same lines (sidecar/logger.ts): it runs in every pod.
 */
export function createLogger(component: string, options: LoggerOptions = {}): Logger {
  const { level = process.env['LOG_LEVEL'] ?? 'info', write } = options;
  const settings: pino.LoggerOptions = {
    level,
    base: { component },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: {
      level: (label) => ({ level: label }),
      log: (fields) => JSON.parse(logJson(fields)),
    },
    // Errors are plain by then.
    serializers: { err: (error: unknown) => error },
  };
  return write === undefined ? pino(settings) : pino(settings, { write });
}
