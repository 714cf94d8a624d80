import { defineConfig } from 'vitest/config';

const everywhere = { exclude: ['**/node_modules/**', 'dist/**', '.local/**', '.tsc/**'] };

export default defineConfig({
  test: {
    projects: [
      // Pure units and wire-level tests on loopback: seconds, no cluster.
      { test: { name: 'unit', globalSetup: 'scripts/test-machine.ts', include: ['**/*.test.ts'], ...everywhere } },
      // Real Kubernetes and OpenSSH's own client: one file after another, on one cluster.
      {
        test: {
          name: 'e2e',
          globalSetup: 'e2e/global-setup.ts',
          include: ['e2e/**/*.e2e.ts'],
          ...everywhere,
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 900_000,
        },
      },
    ],
  },
});
