import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { patternOf } from '../test-titles.ts';
import type { Defence } from './defence.ts';
import type { Tree } from './tree.ts';

/** The part of vitest's JSON report that matters here. */
const Report = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      message: z.string(),
      assertionResults: z.array(
        z.object({ status: z.string(), fullName: z.string(), failureMessages: z.array(z.string()).nullish() }),
      ),
    }),
  ),
});
type Report = z.infer<typeof Report>;

/** `isCaught`: a test has failed because what it expects is not so. `sentence` says which, or what else has happened. */
export type Verdict = { isCaught: boolean; sentence: string };

/** A whole file's tests, on a machine that others use, too. */
const MOST_MS = 240_000;
/** An expectation that is not met; or that what must happen, such as the end of a connection, does not. */
const EXPECTATION = /^(?:AssertionError|TestTimeoutError|Error: (?:expected|promise (?:resolved|rejected)) )/;

/** Runs the tests of a defence while it is out. */
export function tryWithout(tree: Tree, defence: Defence): Verdict {
  return tree.without(defence, () => verdictOn(runTests(tree, defence.tests, ['--bail', '1'])));
}

/** Whether these tests pass while nothing is out; if not, a failure says nothing. */
export function passes(tree: Tree, tests: Defence['tests']): Verdict {
  const report = runTests(tree, tests);
  const failed = failures(report);
  if (failed.length > 0) return { isCaught: false, sentence: failed.map(describe).join('; ') };
  const files = new Set(tests.map(([file]) => file));
  const idle = [...files].filter((file) => !resultsOf(report, file).some(({ status }) => status === 'passed'));
  return { isCaught: idle.length === 0, sentence: idle.map((file) => `no test of these ran in ${file}`).join('; ') };
}

type Failure = { test: string; message: string };

const describe = ({ test, message }: Failure): string => `${test}: ${message.split('\n', 1)[0] ?? ''}`;

const resultsOf = (report: Report, file: string) =>
  report.testResults.filter(({ name }) => name.endsWith(`/${file}`)).flatMap((result) => result.assertionResults);

function verdictOn(report: Report): Verdict {
  const failed = failures(report);
  const caught = failed.find(({ message }) => EXPECTATION.test(message));
  if (caught !== undefined) return { isCaught: true, sentence: describe(caught) };
  if (failed.length > 0)
    return { isCaught: false, sentence: `failed, but by no expectation: ${failed.map(describe).join('; ')}` };
  const passed = report.testResults
    .flatMap((file) => file.assertionResults)
    .filter(({ status }) => status === 'passed');
  return { isCaught: false, sentence: `SURVIVED ${passed.length} tests` };
}

/** Those of tests, and of files that could not even be read. */
function failures({ testResults }: Report): Failure[] {
  return testResults.flatMap(({ name, message, assertionResults }) => [
    ...(message === '' || assertionResults.length > 0 ? [] : [{ test: name, message }]),
    ...assertionResults
      .filter(({ status }) => status === 'failed')
      .map(({ fullName, failureMessages }) => ({ test: fullName, message: failureMessages?.[0] ?? '' })),
  ]);
}

function runTests({ folder }: Tree, tests: Defence['tests'], more: readonly string[] = []): Report {
  const output = join(folder, 'report.json');
  rmSync(output, { force: true });
  const vitest = join(folder, 'node_modules/vitest/vitest.mjs');
  const files = new Set(tests.map(([file]) => file));
  const pattern = patternOf([...new Set(tests.map(([, title]) => title))]);
  const options = ['--project', 'unit', '--reporter', 'json', `--outputFile.json=${output}`, '-t', pattern];
  const run = spawnSync(process.execPath, [vitest, 'run', ...files, ...options, ...more], {
    cwd: folder,
    encoding: 'utf8',
    timeout: MOST_MS,
  });
  try {
    return Report.parse(JSON.parse(readFileSync(output, 'utf8')));
  } catch (cause) {
    throw new Error(`vitest left no report, but said: ${run.stderr}${run.stdout}`, { cause });
  }
}
