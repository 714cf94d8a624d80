import { existsSync } from 'node:fs';
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { programPath } from '../../../scripts/machine/apt.ts';
import { attempt, run } from '../../../scripts/machine/command.ts';
import { step } from '../../../scripts/machine/progress.ts';
import { staticProgram } from '../../../scripts/machine/static-program.ts';
import type { ClusterNames } from '../names.ts';
import { clusterFolder } from '../places.ts';
import type { Tool } from '../tools.ts';
import { waitUntil } from '../wait.ts';
import { makeCertificates } from './certificates.ts';
import { makeCgroups } from './cgroups.ts';
import { apiServerPort, foundation, pathOf, workers, type Component } from './components.ts';
import { unhealthy } from './health.ts';
import { importImages, pauseArchive } from './images.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { connectNode, launcher, startNode } from './node.ts';
import type { ProcessId } from '../../../scripts/machine/processes.ts';
import { nodeName, settings } from './settings.ts';

type ProgramOf = (name: Tool) => string;

/** For each of the steps, which take seconds: whoever fails here fails every test. */
const LONGEST_S = 180;

const logsOf = (names: ClusterNames): string => join(clusterFolder(names.name), 'logs');
const kubeconfigOf = (names: ClusterNames): string => join(clusterFolder(names.name), 'kubeconfig');

/** Starts all of a cluster, in order, and waits until pods can be made; answers the node's process 1. */
export async function boot(names: ClusterNames, programOf: ProgramOf): Promise<ProcessId> {
  const node = await step('node: namespaces, certificates, link', async () => {
    await layOut(names, logsOf(names), kubeconfigOf(names));
    const started = await startNode(names, logsOf(names));
    await connectNode(names, started);
    return started;
  });
  await step('containerd, etcd, kube-apiserver', () => startFoundation(names, node, programOf));
  await step('controller-manager, scheduler, proxy, kubelet, network policies', () =>
    startWorkers(names, node, programOf),
  );
  return node;
}

/** Returns when the API server is ready. */
export async function startFoundation(names: ClusterNames, node: ProcessId, programOf: ProgramOf): Promise<void> {
  await launchAll(names, node, programOf, foundation(names));
  const logs = logsOf(names);
  const socket = join(names.folder, 'containerd.sock');
  await waitUntil('containerd', LONGEST_S, async () => (existsSync(socket) ? undefined : `no socket (logs: ${logs})`));
  await importImages(node, names, await pauseArchive());
  await waitUntil('kube-apiserver', LONGEST_S, async () => {
    const args = ['--kubeconfig', kubeconfigOf(names), 'get', '--raw=/readyz'];
    const { code, stderr } = await attempt(programOf('kubectl'), args, { timeout: 20_000 });
    return code === 0 ? undefined : `${stderr.trim()} (logs: ${logs})`;
  });
}

/** Returns when the node is ready. */
export async function startWorkers(names: ClusterNames, node: ProcessId, programOf: ProgramOf): Promise<void> {
  await launchAll(names, node, programOf, workers(names));
  await waitUntil(`node ${nodeName}`, LONGEST_S, async () => {
    const complaint = await unhealthy(node, programOf('kubectl'), kubeconfigOf(names));
    return complaint === undefined ? undefined : `${complaint} (logs: ${logsOf(names)})`;
  });
}

async function launchAll(
  names: ClusterNames,
  node: ProcessId,
  programOf: ProgramOf,
  components: readonly Component[],
): Promise<void> {
  const launch = await launcher(names, node);
  for (const { program, args } of components) {
    await launch(join(logsOf(names), `${program}.log`), pathOf(program, programOf), args);
  }
}

async function layOut(names: ClusterNames, logs: string, kubeconfig: string): Promise<void> {
  await rm(logs, { recursive: true, force: true });
  await mkdir(logs, { recursive: true });
  for (const folder of ['var/lib', 'var/log', 'cni']) await mkdir(join(names.folder, folder), { recursive: true });
  await copyFile(await staticProgram('node-init', [join(import.meta.dirname, 'node-init.c')]), names.initProgram);

  const certificates = join(names.folder, 'pki');
  await makeCertificates(certificates, nodeName, names.nodeAddress);
  const server = `https://${names.nodeAddress}:${apiServerPort}`;
  for (const user of ['admin', 'controller-manager', 'scheduler', 'proxy', 'kubelet']) {
    const access = { cluster: names.name, server, certificates, user };
    await writeKubeconfig(join(names.folder, `${user}.kubeconfig`), access);
  }
  await copyFile(join(names.folder, 'admin.kubeconfig'), kubeconfig);
  await copyFile(join(certificates, 'webhook-client.crt'), join(dirname(kubeconfig), 'webhook-client.crt'));

  const cniPrograms = dirname(programPath('/usr/lib/cni/ptp') ?? '/opt/cni/bin/ptp');
  for (const [path, content] of settings(names, await snapshotter(names.folder), cniPrograms)) {
    await writeFile(join(names.folder, path), content);
  }
  // The kubelet wants its root cgroup to be there.
  await makeCgroups(names.cgroup);
}

/** An overlay cannot lie on an overlay, which is what the root of a container is. */
async function snapshotter(folder: string): Promise<string> {
  return (await run('stat', ['-f', '-c', '%T', folder])).trim() === 'overlayfs' ? 'native' : 'overlayfs';
}
