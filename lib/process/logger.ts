const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
type Level = (typeof LEVELS)[number];

type Log = (...entry: [message: string] | [fields: object, message: string]) => void;

/** A program's log. Messages are constant and lower case; what varies goes into fields. */
export type Logger = Record<Level, Log> & {
  /** A logger whose lines carry these fields, too. */
  child: (fields: object) => Logger;
};

/** Names under which a secret could be logged by mistake. Redaction is the safety net; not logging them is the plan. */
const SECRET_NAMES: ReadonlySet<string> = new Set(['privateKey', 'mappingKey', 'hostKey', 'data', 'stringData']);

export type LoggerOptions = {
  /** The least that is written: trace, debug, info, warn, error, fatal; anything else: nothing. */
  level?: string | undefined;
  write?: (line: string) => void;
};

/**
 * The one logger of a program: JSON lines on stdout, with `component` in each. It is ours because a sidecar runs in
 * every pod: a library that can do more costs each of them 2 MiB.
 */
export function createLogger(component: string, options: LoggerOptions = {}): Logger {
  const { level = process.env['LOG_LEVEL'] ?? 'info', write = writeToStdout } = options;
  const least = LEVELS.findIndex((name) => name === level);
  return loggerWith({ component }, (at) => least >= 0 && LEVELS.indexOf(at) >= least, write);
}

function loggerWith(bound: object, isWritten: (level: Level) => boolean, write: (line: string) => void): Logger {
  const at = (level: Level): Log => {
    if (!isWritten(level)) return () => undefined;
    return (...entry) => {
      const [fields, msg] = entry.length === 1 ? [{}, entry[0]] : entry;
      const record = { level, time: new Date().toISOString(), ...bound, ...fields, msg };
      write(`${stringify(record)}\n`);
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

/** A log line must never be what ends a program. */
function stringify(record: object): string {
  try {
    return JSON.stringify(record, readable);
  } catch (error) {
    return JSON.stringify({ ...Object.fromEntries(Object.entries(record).filter(isPlain)), logProblem: String(error) });
  }
}

const isPlain = ([name, value]: [string, unknown]): boolean => typeof value === 'string' && !SECRET_NAMES.has(name);

function readable(name: string, value: unknown): unknown {
  if (SECRET_NAMES.has(name) && value !== undefined) return '***';
  if (typeof value === 'bigint') return `${value}`;
  if (!(value instanceof Error)) return value;
  const { name: type, message, stack, cause } = value;
  return Object.assign({}, value, { type, message, stack, cause });
}

let heedsStdout = false;

function writeToStdout(line: string): void {
  // Who read the log is gone: no reason to end with it.
  if (!heedsStdout) process.stdout.on('error', () => undefined);
  heedsStdout = true;
  process.stdout.write(line);
}
