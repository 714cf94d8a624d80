import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';

/** One command of the gate: its name for people, and its argument list. */
export type Step = { name: string; command: readonly [string, ...string[]] };

/** Runs a step with its output shown; true when it succeeded. */
export function runStep({ name, command }: Step): boolean {
  const [program, ...args] = command;
  const started = performance.now();
  console.log(`\n── ${name}: ${command.join(' ')}`);
  const { status, error } = spawnSync(program, args, { stdio: 'inherit' });
  if (error !== undefined) console.error(error.message);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`── ${name}: ${status === 0 ? 'ok' : 'FAILED'} (${seconds} s)`);
  return status === 0;
}

export type Counts = { passed: number; failed: number };

/**
 * Runs one vitest project and counts its tests; a run that crashed, or ran none, counts as one failure.
 * @param retries how often a test that failed is tried again; those that needed it are named
 */
export function runTests(project: 'unit' | 'e2e', retries = 0): Counts {
  const report = `.local/test-${project}.json`;
  mkdirSync('.local', { recursive: true });
  rmSync(report, { force: true });
  const ok = runStep({
    name: `${project} tests`,
    command: [
      'vitest',
      'run',
      '--project',
      project,
      '--reporter=default',
      '--reporter=json',
      '--reporter=./scripts/second-tries.ts',
      `--retry=${retries}`,
      `--outputFile.json=${report}`,
    ],
  });
  const counts = readCounts(report);
  const failed = counts.failed === 0 && (!ok || counts.passed === 0) ? 1 : counts.failed;
  return { passed: counts.passed, failed };
}

function readCounts(report: string): Counts {
  try {
    const { numPassedTests, numTotalTests } = JSON.parse(readFileSync(report, 'utf8'));
    // What neither passed nor failed was skipped, and nothing here may be skipped.
    return { passed: Number(numPassedTests), failed: Number(numTotalTests) - Number(numPassedTests) };
  } catch (error) {
    console.error(`no test report: ${String(error)}`);
    return { passed: 0, failed: 1 };
  }
}
