import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import {
  aptUnavailable,
  ensurePackages,
  missingPackages,
  programPath,
  type DebianPackage,
} from '../../../scripts/machine/apt.ts';
import { attempt, run } from '../../../scripts/machine/command.ts';
import { say, step } from '../../../scripts/machine/progress.ts';
import { staticProgram } from '../../../scripts/machine/static-program.ts';
import type { Cluster, Provider } from '../cluster.ts';
import { clusterNames, type ClusterNames } from '../names.ts';
import { localFolder, projectFolder } from '../places.ts';
import { goUnavailable, tools, type Tool } from '../tools.ts';
import { makeCgroups } from './cgroups.ts';
import { makeCertificates } from './certificates.ts';
import { removeCluster } from './clean.ts';
import { apiServerPort, foundation, workers, type Component } from './components.ts';
import { unhealthy } from './health.ts';
import { importImages, pauseArchive } from './images.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { lockCluster } from './lock.ts';
import { connectNode, findNode, launch, startNode } from './node.ts';
import type { ProcessId } from './processes.ts';
import { nodeName, settings } from './settings.ts';
import { waitUntil } from './wait.ts';

const debianPackages: readonly DebianPackage[] = [
  ...(['containerd', 'runc', 'containernetworking-plugins', 'iptables', 'conntrack'] as const),
  ...(['iproute2', 'openssl', 'util-linux', 'gcc', 'libc6-dev'] as const),
];

const programs: readonly Tool[] = [
  ...(['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'] as const),
  ...(['kube-proxy', 'kubelet', 'kubectl', 'helm'] as const),
];

/** A real Kubernetes from Go modules and Debian packages, for machines where no image registry can be reached. */
export const native: Provider = { kind: 'native', unavailable: async () => unavailable(), start };

function unavailable(): string | undefined {
  if (process.platform !== 'linux') return `it needs Linux, and this is ${process.platform}`;
  if (process.getuid?.() !== 0) return 'it needs root (namespaces, mounts, cgroups); run it with sudo';
  return goUnavailable() ?? aptUnavailable(missingPackages(debianPackages));
}

async function start(name: string): Promise<Cluster> {
  const unlock = await lockCluster(name);
  try {
    const running = await adopt(name);
    if (running !== undefined) return running;
    await ensurePackages(debianPackages);
    const programOf = await tools(programs);
    const left = await removeCluster(clusterNames(name));
    for (const line of left) say(`  removed what an earlier run left: ${line}`);
    return await boot(clusterNames(name, takenAddresses()), programOf);
  } finally {
    await unlock();
  }
}

const record = z.object({ project: z.string(), hostAddress: z.string(), nodeAddress: z.string() });

/** The cluster of that name if it runs, is well, and was started from this very folder. */
async function adopt(name: string): Promise<Cluster | undefined> {
  const names = clusterNames(name);
  const path = join(names.folder, 'cluster.json');
  const node = await findNode(names);
  if (node === undefined || !existsSync(path)) return undefined;
  const known = record.safeParse(JSON.parse(await readFile(path, 'utf8')));
  if (!known.success) return undefined;
  if (known.data.project !== projectFolder) {
    say(`  cluster "${name}" was started from ${known.data.project}; it makes room for this one`);
    return undefined;
  }
  const cluster = await assemble({ ...names, ...known.data }, node, await tools(programs));
  const complaint = await unhealthy(node, cluster.kubectlPath, cluster.kubeconfigPath);
  if (complaint === undefined) return cluster;
  say(`  cluster "${name}" runs, but is not well (${complaint}); it is started anew`);
  return undefined;
}

function takenAddresses(): Set<string> {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return new Set(all.map(({ address }) => address));
}

async function boot(names: ClusterNames, programOf: (name: Tool) => string): Promise<Cluster> {
  const logs = join(localFolder(names.name), 'logs');
  const node = await step('node: namespaces, certificates, link', async () => {
    await layOut(names, logs);
    const started = await startNode(names, logs);
    await connectNode(names, started);
    return started;
  });
  const launchAll = async (components: readonly Component[]): Promise<void> => {
    for (const { program, args } of components) {
      const path = program === 'containerd' ? 'containerd' : programOf(program);
      await launch(node, join(logs, `${program}.log`), path, args);
    }
  };
  const cluster = await assemble(names, node, programOf);
  const kubectl = ['--kubeconfig', cluster.kubeconfigPath];
  await step('containerd, etcd, kube-apiserver', async () => {
    await launchAll(foundation(names));
    await waitUntil('containerd', 30, async () =>
      existsSync(join(names.folder, 'containerd.sock')) ? undefined : 'no socket',
    );
    await importImages(node, names, await pauseArchive());
    await waitUntil('kube-apiserver', 60, async () => {
      const { code, stderr } = await attempt(cluster.kubectlPath, [...kubectl, 'get', '--raw=/readyz'], {
        timeout: 5000,
      });
      return code === 0 ? undefined : `${stderr.trim()} (log: ${logs}/kube-apiserver.log)`;
    });
  });
  await step('controller-manager, scheduler, proxy, kubelet', async () => {
    await launchAll(workers(names));
    await waitUntil(`node ${nodeName}`, 60, async () => {
      const complaint = await unhealthy(node, cluster.kubectlPath, cluster.kubeconfigPath);
      return complaint === undefined ? undefined : `${complaint} (logs: ${logs})`;
    });
  });
  // Last: a start that was cut short is never adopted.
  const { hostAddress, nodeAddress } = names;
  await writeFile(
    join(names.folder, 'cluster.json'),
    JSON.stringify({ project: projectFolder, hostAddress, nodeAddress }),
  );
  return cluster;
}

async function layOut(names: ClusterNames, logs: string): Promise<void> {
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
  await copyFile(join(names.folder, 'admin.kubeconfig'), join(localFolder(names.name), 'kubeconfig'));
  const cniPrograms = dirname(programPath('/usr/lib/cni/ptp') ?? '/opt/cni/bin/ptp');
  for (const [path, content] of settings(names, await snapshotter(names.folder), cniPrograms)) {
    await writeFile(join(names.folder, path), content);
  }
  await makeCgroups(names.cgroup);
}

/** An overlay cannot lie on an overlay, which is what the root of a container is. */
async function snapshotter(folder: string): Promise<string> {
  return (await run('stat', ['-f', '-c', '%T', folder])).trim() === 'overlayfs' ? 'native' : 'overlayfs';
}

async function assemble(names: ClusterNames, node: ProcessId, programOf: (name: Tool) => string): Promise<Cluster> {
  return {
    name: names.name,
    provider: 'native',
    kubeconfigPath: join(localFolder(names.name), 'kubeconfig'),
    kubectlPath: programOf('kubectl'),
    helmPath: programOf('helm'),
    sshEndpoint: async (port) => ({ host: names.nodeAddress, port }),
    loadImage: (archive) => importImages(node, names, archive),
    stop: () => stopNative(names.name),
  };
}

export async function stopNative(name: string): Promise<string[]> {
  const unlock = await lockCluster(name);
  try {
    const removed = await removeCluster(clusterNames(name));
    await rm(join(localFolder(name), 'kubeconfig'), { force: true });
    return removed;
  } finally {
    await unlock();
  }
}
