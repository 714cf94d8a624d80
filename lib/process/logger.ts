import { pino } from 'pino';

export type Logger = pino.Logger;

/** Names under which a secret could be logged by mistake. Redaction is the safety net; not logging them is the plan. */
const SECRET_PATHS = [
  'privateKey',
  'mappingKey',
  'hostKey',
  'data',
  'stringData',
  '*.privateKey',
  '*.mappingKey',
  '*.data',
];

/**
 * The one logger of a program: JSON lines on stdout, with `component` bound.
 * Messages are constant and lower case; what varies goes into keys.
 * @param level pino's: trace, debug, info, warn, error, silent
 */
export function createLogger(component: string, level: string = process.env['LOG_LEVEL'] ?? 'info'): Logger {
  return pino({
    level,
    base: { component },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: SECRET_PATHS, censor: '***' },
  });
}
