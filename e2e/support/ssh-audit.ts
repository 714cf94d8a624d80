/** ssh-audit (from PyPI), which knows what is wrong with which algorithm. */
import { join } from 'node:path';
import { z } from 'zod';
import { pythonEnvironment } from '../clients/python-environment.ts';
import { run } from './process.ts';

const Algorithm = z.object({
  algorithm: z.string(),
  notes: z.object({ fail: z.array(z.string()).default([]), warn: z.array(z.string()).default([]) }).prefault({}),
});
const Report = z.object({
  kex: z.array(Algorithm),
  key: z.array(Algorithm),
  enc: z.array(Algorithm),
  mac: z.array(Algorithm),
  additional_notes: z.array(z.string()).default([]),
});

/**
 * All that it complains about in a server, as `fail|warn <algorithm>: <why>`. With `rate` it also tries how many
 * connections it gets in a second and a half, and says `rate: …` where they are more than is safe (DHEat).
 */
export async function complaints(host: string, port: number, { rate = false } = {}): Promise<string[]> {
  const program = join(await pythonEnvironment(), 'bin/ssh-audit');
  const options = ['-j', '-t', '30', ...(rate ? [] : ['--skip-rate-test']), '-p', String(port)];
  // Its exit code counts complaints, too.
  const { stdout, stderr } = await run([program, ...options, host], { timeoutMs: 120_000 });
  if (!stdout.startsWith('{')) throw new Error(`ssh-audit says: ${stdout}${stderr}`);
  const { kex, key, enc, mac, additional_notes: more } = Report.parse(JSON.parse(stdout));
  return [
    ...[...kex, ...key, ...enc, ...mac].flatMap(({ algorithm, notes }) => [
      ...notes.fail.map((why) => `fail ${algorithm}: ${why}`),
      ...notes.warn.map((why) => `warn ${algorithm}: ${why}`),
    ]),
    ...more.filter((note) => note.includes('throttling')).map((note) => `rate: ${note}`),
  ];
}
