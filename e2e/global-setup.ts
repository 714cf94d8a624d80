import type { TestProject } from 'vitest/node';
import { demoApp, workbench } from '../scripts/images/app-image.ts';
import { deployDemo } from './cluster/demo.ts';
import { loadApp, systemNamespace } from './cluster/deploy.ts';
import { ensureTestCluster } from './cluster/test-cluster.ts';

/** Before all e2e files: a cluster, the chart, and the demo on it. After them the cluster goes, unless SSHACCESS_KEEP=1. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const cluster = await ensureTestCluster();
  try {
    const demo = await deployDemo(cluster);
    project.provide('demo', {
      kubeconfig: cluster.kubeconfigPath,
      kubectl: cluster.kubectlPath,
      helm: cluster.helmPath,
      sshHost: demo.endpoint.host,
      sshPort: demo.endpoint.port,
      rootUser: demo.root.username,
      rootKey: demo.root.keyPath,
      limitedUser: demo.limited.username,
      limitedKey: demo.limited.keyPath,
      systemNamespace,
      appImage: await loadApp(cluster, demoApp),
      workbenchImage: await loadApp(cluster, workbench),
    });
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return async () => {
    for (const line of await cluster.stop()) console.log(line);
  };
}
