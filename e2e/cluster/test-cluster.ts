import { SetupError } from '../../scripts/machine/errors.ts';
import { say } from '../../scripts/machine/progress.ts';
import type { Cluster } from './cluster.ts';
import { lock } from '../../scripts/machine/lock.ts';
import { findCluster, provideCluster, removeCluster } from './provide.ts';

/**
 * The cluster for tests, apart from the demo's. It is a new one unless SSHACCESS_KEEP=1 has left one running; its
 * `stop` removes it, or with SSHACCESS_KEEP=1 leaves it to the next run. Runs at the same time wait for each other.
 */
export async function ensureTestCluster(env: NodeJS.ProcessEnv = process.env): Promise<Cluster> {
  const name = testClusterName(env);
  const keep = env['SSHACCESS_KEEP'] === '1';
  const unlock = await lock(`cluster-${name}`, 3600);
  const cluster = await provideCluster(name, { fresh: !keep });
  const stop = async (): Promise<readonly string[]> => {
    try {
      if (!keep) return await removeCluster(name);
      say(`cluster "${name}" is kept; KUBECONFIG=${cluster.kubeconfigPath}`);
      return [];
    } finally {
      await unlock();
    }
  };
  return { ...cluster, stop };
}

const testClusterName = (env: NodeJS.ProcessEnv): string => env['SSHACCESS_TEST_CLUSTER'] ?? 'test';

/** The cluster of this run, for a test file that brings images of its own. */
export async function runningTestCluster(env: NodeJS.ProcessEnv = process.env): Promise<Cluster> {
  const cluster = await findCluster(testClusterName(env));
  if (cluster === undefined) throw new SetupError('NO_CLUSTER', 'the cluster of this test run is gone');
  return cluster;
}
