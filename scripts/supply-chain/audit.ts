/** `npm run audit`: known holes in the packages that our programs bring along. It needs a registry that answers audits. */
import * as z from 'zod';
import { attempt } from '../machine/command.ts';
import { EXCEPTIONS, type Exception } from './audit-exceptions.ts';

const Advisory = z.object({
  source: z.number().optional(),
  url: z.string().optional(),
  title: z.string().optional(),
  severity: z.string().optional(),
});
const Report = z.object({
  vulnerabilities: z.record(z.string(), z.object({ via: z.array(z.union([z.string(), Advisory])) })),
});
const Refusal = z.object({ message: z.string() });

/** npm's own patience is minutes, where nobody answers. */
const FETCH = ['--fetch-retries=0', '--fetch-timeout=20000'];
const TIMEOUT_MS = 60_000;

/** Asks the registry. @returns what is to be done, in sentences; none: nothing */
export async function audit(): Promise<string[]> {
  // Its status tells of holes, too; the report says more.
  const { stdout, stderr } = await attempt('npm', ['audit', '--omit=dev', '--json', ...FETCH], { timeout: TIMEOUT_MS });
  return judgeAudit(stdout || stderr, EXCEPTIONS, new Date().toISOString().slice(0, 10));
}

/**
 * What is to be done about a report of `npm audit --json`, in sentences; none: nothing. A registry that does not answer is a
 * fault: nobody has looked.
 */
export function judgeAudit(text: string, exceptions: readonly Exception[], today: string): string[] {
  const json = parseJson(text);
  const report = Report.safeParse(json);
  if (!report.success) {
    const words = (Refusal.safeParse(json).data?.message ?? text.trim()) || 'npm said nothing';
    return [`the registry has made no report, so NOBODY HAS LOOKED: ${words.slice(0, 500)}`];
  }
  const found = Object.entries(report.data.vulnerabilities).flatMap(([name, { via }]) =>
    // A word names another package of the report, which has the advisory.
    via.flatMap((one) => (typeof one === 'string' ? [] : [{ name, ...one }])),
  );
  const idOf = ({ url = '' }: z.infer<typeof Advisory>): string => url.slice(url.lastIndexOf('/') + 1);
  const isExcepted = (id: string): boolean => exceptions.some((one) => one.advisory === id && today <= one.until);
  return [
    ...found
      .filter((one) => !isExcepted(idOf(one)))
      .map((one) => `${one.name}: ${one.severity ?? 'unknown'}: ${one.title ?? ''} (${one.url ?? ''})`),
    ...exceptions
      .filter(({ advisory }) => !found.some((one) => idOf(one) === advisory))
      .map(({ advisory }) => `the exception ${advisory} excepts nothing any more; take it out`),
  ];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The registry's own words, or a proxy's.
    return undefined;
  }
}

if (import.meta.main) {
  const problems = await audit();
  for (const problem of problems) console.error(`npm run audit: ${problem}`);
  if (problems.length === 0) console.log('npm run audit: no known hole in what our programs bring along');
  else process.exitCode = 1;
}
