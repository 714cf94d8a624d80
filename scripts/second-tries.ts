import type { Reporter, TestModule } from 'vitest/node';

/** Names each test that passed only when it was tried again: nobody may get used to those. */
export default class SecondTries implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const module of modules) {
      for (const test of module.children.allTests('passed')) {
        if (test.diagnostic()?.flaky === true) console.log(`passed at the second try: ${test.fullName}`);
      }
    }
  }
}
