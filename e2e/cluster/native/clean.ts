import { existsSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { attempt, run } from '../../../scripts/machine/command.ts';
import { SetupError } from '../../../scripts/machine/errors.ts';
import { stateRoot, type ClusterNames } from '../names.ts';
import { leftCgroups, removeCgroups } from './cgroups.ts';
import { killExactly, namespaceOf, processesIn, processesOf } from '../../../scripts/machine/processes.ts';

/**
 * Removes a cluster by its name: one that runs, one that died half-way, one whose files are gone. The kernel does most of
 * it: with process 1 end all processes of the node (shims too), and with those its mounts, links and iptables rules.
 */
export async function removeCluster(names: ClusterNames): Promise<string[]> {
  const removed: string[] = [];
  for (const init of await processesOf(names.initProgram)) {
    const namespace = await namespaceOf(init.pid, 'pid');
    const own = await namespaceOf(process.pid, 'pid');
    // Never the namespace of this machine, whatever calls itself our process 1.
    const members = namespace === undefined || namespace === own ? [] : await processesIn('pid', namespace);
    await killExactly(init);
    await ended(namespace === own ? undefined : namespace);
    removed.push(`node (process ${init.pid}) with its ${Math.max(members.length - 1, 0)} processes, mounts and rules`);
  }
  if ((await attempt('ip', ['link', 'delete', names.hostLink])).code === 0) removed.push(`link ${names.hostLink}`);
  const hierarchies = await removeCgroups(names.cgroup);
  if (hierarchies > 0) removed.push(`cgroup ${names.cgroup} in ${hierarchies} hierarchies`);
  if (existsSync(names.folder)) {
    await assertNoMounts(names.folder);
    await rm(names.folder, { recursive: true, force: true });
    removed.push(`folder ${names.folder}`);
    await run('rmdir', ['--ignore-fail-on-non-empty', stateRoot]);
  }
  return removed;
}

async function ended(namespace: string | undefined): Promise<void> {
  if (namespace === undefined) return;
  for (let wait = 0; wait < 300; wait += 1) {
    if ((await processesIn('pid', namespace)).length === 0) return;
    await delay(50);
  }
  throw new SetupError('NODE_LIVES', `Processes of ${namespace} did not end within 15 s of their process 1.`);
}

/** Deleting through a mount would delete what is mounted. Ours are all in the node's namespace; so this finds none. */
async function assertNoMounts(folder: string): Promise<void> {
  const mounts = mountsUnder(folder, await readFile('/proc/self/mountinfo', 'utf8'));
  for (const mount of mounts.toReversed()) await run('umount', [mount]);
}

export function mountsUnder(folder: string, mountInfo: string): string[] {
  return mountInfo
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point === folder || point.startsWith(`${folder}/`));
}

/** The names of the clusters on this machine that have files, running or not. */
export async function nativeClusters(): Promise<string[]> {
  return existsSync(stateRoot) ? readdir(stateRoot) : [];
}

/** What of the cluster can still be found on this machine; after a removal, nothing. */
export async function traces(names: ClusterNames): Promise<string[]> {
  const inits = await processesOf(names.initProgram);
  const mounts = mountsUnder(names.folder, await readFile('/proc/self/mountinfo', 'utf8'));
  const links = existsSync(`/sys/class/net/${names.hostLink}`) ? [names.hostLink] : [];
  return [
    ...inits.map(({ pid }) => `process ${pid}`),
    ...mounts.map((mount) => `mount ${mount}`),
    ...links.map((link) => `link ${link}`),
    ...(await leftCgroups(names.cgroup)).map((cgroup) => `cgroup ${cgroup}`),
    ...(existsSync(names.folder) ? [`folder ${names.folder}`] : []),
  ];
}
