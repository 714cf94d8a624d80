import { stripVTControlCharacters } from 'node:util';
import type { Reporter, TestCase, TestModule } from 'vitest/node';

/** Of an error: enough for the sentence and the difference, and no page. */
const MOST_LINES = 15;
const LONGEST_LINE = 300;

/** Names each test that passed only when it was tried again, and says why it had to: nobody may get used to those. */
export default class SecondTries implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const module of modules) {
      for (const test of module.children.allTests('passed')) {
        if (test.diagnostic()?.flaky !== true) continue;
        console.log(`passed at the second try: ${module.relativeModuleId} > ${test.fullName}`);
        for (const line of whyNotAtOnce(test)) console.log(`  ${line}`);
      }
    }
  }
}

function whyNotAtOnce(test: TestCase): string[] {
  const [first] = test.attempts();
  const seconds = `${((first?.duration ?? 0) / 1000).toFixed(1)} s`;
  return [`the first failed after ${seconds}:`, ...(first?.errors ?? []).flatMap(linesOf).slice(0, MOST_LINES)];
}

const linesOf = ({ message, diff = '' }: { message: string; diff?: string | undefined }): string[] =>
  stripVTControlCharacters(`${message}\n${diff}`)
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => (line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE)}…` : line));
