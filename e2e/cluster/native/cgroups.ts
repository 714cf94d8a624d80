import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
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

/** Makes the cgroup in every hierarchy; answers its folders. */
export async function makeCgroups(cgroup: string): Promise<string[]> {
  const folders = await foldersOf(cgroup);
  for (const folder of folders) {
    await mkdir(folder, { recursive: true });
    await inheritCpus(folder);
  }
  return folders;
}

/** With cgroup v1 a new cpuset has no processors, and takes no process, until it is given some: its parent's. */
async function inheritCpus(folder: string): Promise<void> {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    if (!existsSync(join(folder, file)) || existsSync(join(folder, 'cgroup.controllers'))) continue;
    if ((await readFile(join(folder, file), 'utf8')).trim() !== '') continue;
    await inheritCpus(join(folder, '..'));
    await writeFile(join(folder, file), await readFile(join(folder, '..', file)));
  }
}

export async function leftCgroups(cgroup: string): Promise<string[]> {
  return (await foldersOf(cgroup)).filter((folder) => existsSync(folder));
}

const MOST_ROUNDS = 100;
const REST_MS = 100;

/** Removes the cgroup with all below it; answers how many hierarchies had it. */
export async function removeCgroups(cgroup: string): Promise<number> {
  const folders = await leftCgroups(cgroup);
  // The kernel lets go of a killed process' cgroups a little after the process: of all of them, so each round tries all.
  for (let round = 1; ; round += 1) {
    const problems = await Promise.all(folders.map(removeTree));
    const problem = problems.find((each) => each !== undefined);
    if (problem === undefined) return folders.length;
    if (round === MOST_ROUNDS) throw problem;
    await delay(REST_MS);
  }
}

/** Removes what can be removed now; answers why the rest cannot. */
async function removeTree(folder: string): Promise<Error | undefined> {
  if (!existsSync(folder)) return undefined;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    // The files in a cgroup are the kernel's, and go with it.
    if (entry.isDirectory()) await removeTree(join(folder, entry.name));
  }
  try {
    await rmdir(folder);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
