import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { aptUnavailable, ensurePackages, missingPackages, type DebianPackage } from '../../../scripts/machine/apt.ts';
import { SetupError } from '../../../scripts/machine/errors.ts';
import { say } from '../../../scripts/machine/progress.ts';
import { projectFolder } from '../../../scripts/places.ts';
import type { Cluster, Provider } from '../cluster.ts';
import { clusterNames, type ClusterNames } from '../names.ts';
import { clusterFolder } from '../places.ts';
import { goUnavailable, tools, type Tool } from '../tools.ts';
import { boot } from './boot.ts';
import { removeCluster, traces } from './clean.ts';
import { faults } from './faults.ts';
import { unhealthy } from './health.ts';
import { hasImage, importImages } from './images.ts';
import { findNode } from './node.ts';
import type { ProcessId } from '../../../scripts/machine/processes.ts';

/** A real Kubernetes from Go modules and Debian packages, for machines where no image registry can be reached. */
export const native: Provider = { kind: 'native', unavailable: async () => unavailable(), find, start, remove };

const packagesOfNode = [
  'containerd',
  'runc',
  'containernetworking-plugins',
  'iptables',
  'conntrack',
  'iproute2',
] as const;
const packagesOfSetUp = ['openssl', 'util-linux', 'gcc', 'libc6-dev'] as const;
const debianPackages: readonly DebianPackage[] = [...packagesOfNode, ...packagesOfSetUp];

const controlPlane = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'] as const;
const programs: readonly Tool[] = [...controlPlane, 'kube-proxy', 'kubelet', 'kubectl', 'helm'];

function unavailable(): string | undefined {
  if (process.platform !== 'linux') return `it needs Linux, and this is ${process.platform}`;
  if (process.getuid?.() !== 0) return 'it needs root (namespaces, mounts, cgroups): run the same command with sudo';
  return goUnavailable() ?? aptUnavailable(missingPackages(debianPackages));
}

const record = z.object({ project: z.string(), hostAddress: z.string(), nodeAddress: z.string() });

async function find(name: string): Promise<Cluster | undefined> {
  if (process.platform !== 'linux') return undefined;
  const names = clusterNames(name);
  const path = join(names.folder, 'cluster.json');
  const node = await findNode(names);
  if (node === undefined || !existsSync(path)) return undefined;
  const known = record.safeParse(JSON.parse(await readFile(path, 'utf8')));
  if (!known.success) return undefined;
  const { project, hostAddress, nodeAddress } = known.data;
  if (project !== projectFolder) {
    say(`  a cluster "${name}" runs, but it was started from ${project}`);
    return undefined;
  }
  const cluster = assemble({ ...names, hostAddress, nodeAddress }, node, await tools(programs));
  const complaint = await unhealthy(node, cluster.kubectlPath, cluster.kubeconfigPath);
  if (complaint === undefined) return cluster;
  say(`  a cluster "${name}" runs, but is not well: ${complaint}`);
  return undefined;
}

async function start(name: string): Promise<Cluster> {
  const programOf = await tools(programs);
  await ensurePackages(debianPackages);
  for (const line of await remove(name)) say(`  removed what an earlier run left: ${line}`);
  const names = clusterNames(name, takenAddresses());
  const node = await boot(names, programOf);
  // Last: a start that was cut short is never found.
  const { hostAddress, nodeAddress } = names;
  const facts: z.infer<typeof record> = { project: projectFolder, hostAddress, nodeAddress };
  await writeFile(join(names.folder, 'cluster.json'), JSON.stringify(facts));
  return assemble(names, node, programOf);
}

function takenAddresses(): Set<string> {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return new Set(all.map(({ address }) => address));
}

function assemble(names: ClusterNames, node: ProcessId, programOf: (name: Tool) => string): Cluster {
  return {
    name: names.name,
    provider: 'native',
    kubeconfigPath: join(clusterFolder(names.name), 'kubeconfig'),
    kubectlPath: programOf('kubectl'),
    helmPath: programOf('helm'),
    sshEndpoint: async (port) => ({ host: names.nodeAddress, port }),
    hasImage: (name) => hasImage(node, names, name),
    loadImage: (archive) => importImages(node, names, archive),
    faults: faults(names, node, programOf),
    stop: () => remove(names.name),
  };
}

async function remove(name: string): Promise<string[]> {
  const names = clusterNames(name);
  if (process.platform !== 'linux' || (await traces(names)).length === 0) return [];
  if (process.getuid?.() !== 0) {
    throw new SetupError('NOT_ROOT', `Cluster "${name}" was started by root: remove it with \`sudo npm run down\`.`);
  }
  const removed = await removeCluster(names);
  await rm(join(clusterFolder(name), 'kubeconfig'), { force: true });
  const left = await traces(names);
  if (left.length === 0) return removed;
  throw new SetupError(
    'TRACES_LEFT',
    `Cluster "${name}" could not be removed wholly; still there: ${left.join(', ')}.`,
  );
}
