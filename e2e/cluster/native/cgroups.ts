import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** Where this machine has cgroup hierarchies: several with cgroup v1, one with v2. */
export function cgroupRoots(mountInfo: string): string[] {
  const roots = mountInfo.split('\n').flatMap((line) => {
    const [left, right] = line.split(' - ');
    const type = right?.split(' ')[0];
    const point = left?.split(' ')[4];
    return point !== undefined && (type === 'cgroup' || type === 'cgroup2') ? [point] : [];
  });
  return [...new Set(roots)];
}

async function foldersOf(cgroup: string): Promise<string[]> {
  return cgroupRoots(await readFile('/proc/self/mountinfo', 'utf8')).map((root) => join(root, cgroup));
}

/** The kubelet wants its root cgroup to be there, in every hierarchy. */
export async function makeCgroups(cgroup: string): Promise<void> {
  for (const folder of await foldersOf(cgroup)) await mkdir(folder, { recursive: true });
}

export async function leftCgroups(cgroup: string): Promise<string[]> {
  return (await foldersOf(cgroup)).filter((folder) => existsSync(folder));
}

/** Removes the cgroup with all below it; answers how many hierarchies had it. */
export async function removeCgroups(cgroup: string): Promise<number> {
  const left = await leftCgroups(cgroup);
  for (const folder of left) await removeTree(folder);
  return left.length;
}

async function removeTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    // The files in a cgroup are the kernel's, and go with it.
    if (entry.isDirectory()) await removeTree(join(folder, entry.name));
  }
  // The kernel lets go of a killed process' cgroup a little after the process.
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await rmdir(folder);
    } catch (error) {
      if (attempt === 50) throw error;
      await delay(100);
    }
  }
}
