/** Names under which a secret could be logged by mistake. Redaction is the safety net; not logging them is the plan. */
const SECRET_NAMES: ReadonlySet<string> = new Set(['privateKey', 'mappingKey', 'hostKey', 'data', 'stringData']);

/** The JSON of a log line, without secrets, however deep. It never throws: a log line must not be what ends a program. */
export function logJson(fields: object): string {
  try {
    return JSON.stringify(fields, readable);
  } catch (error) {
    return JSON.stringify({ ...Object.fromEntries(Object.entries(fields).filter(isPlain)), logProblem: String(error) });
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
