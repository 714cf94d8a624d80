/** What the gateway recorded of one connection. */
import * as z from 'zod';
import { Problem } from './problem.ts';

/** A line of the record; what else is in it is shown as it is. */
const Line = z.looseObject({
  time: z.union([z.string(), z.number()]).optional(),
  connection: z.string(),
  msg: z.string(),
});
const ID = /^[0-9a-f]{4,64}$/;

/** @throws Problem unless it can be the id of a connection */
export function checkedId(id: string): string {
  if (ID.test(id)) return id;
  throw new Problem('the id of a connection is what a refusal ends with: [disabled, connection <id>]');
}

/** The lines about connection `id`, oldest first, of a log in JSON lines. */
export function linesAbout(id: string, log: string): string {
  const found = log.split('\n').flatMap((line) => {
    if (!line.includes(id)) return [];
    const parsed = Line.safeParse(parseJson(line));
    return parsed.success && parsed.data.connection === id ? [parsed.data] : [];
  });
  return found.map(({ time, msg, ...rest }) => [time, msg, JSON.stringify(rest)].join(' ')).join('\n');
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
