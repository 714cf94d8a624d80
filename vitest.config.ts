import { defineConfig } from 'vitest/config';
import { BesideOthersFirst } from './e2e/support/order.ts';

const everywhere = { exclude: ['**/node_modules/**', 'dist/**', '.local/**', '.tsc/**'] };

export default defineConfig({
  test: {
    sequence: { sequencer: BesideOthersFirst },
    projects: [
      // Pure units and wire-level tests on loopback: seconds, no cluster.
      {
        test: {
          name: 'unit',
          globalSetup: 'scripts/test-machine.ts',
          include: ['**/*.test.ts'],
          ...everywhere,
          // Of its own accord vitest leaves a core free, and these files wait more than half of the time.
          maxWorkers: 3,
          // The machine may be busy; how fast something is no test asks.
          testTimeout: 60_000,
          expect: { poll: { timeout: 15_000 } },
        },
      },
      // Real Kubernetes and OpenSSH's own client, on one cluster: one file after another, but for those that do not mind.
      {
        test: {
          name: 'e2e',
          globalSetup: 'e2e/global-setup.ts',
          include: ['e2e/**/*.e2e.ts'],
          ...everywhere,
          setupFiles: ['e2e/support/turn.ts', 'e2e/support/tell-failures.ts'],
          // Of those that run beside others, most wait for the cluster most of the time.
          maxWorkers: 3,
          // Several waits of two minutes, on a machine that has much else to do.
          testTimeout: 300_000,
          hookTimeout: 900_000,
        },
      },
    ],
  },
});
