import { readdir, readFile, readlink } from 'node:fs/promises';

/** A process as this machine numbers it. The start time makes the number unique: a recycled pid has another one. */
export interface ProcessId {
  readonly pid: number;
  readonly startTime: string;
}

/** undefined: no such process (any more), or only its zombie. */
export async function processId(pid: number): Promise<ProcessId | undefined> {
  const stat = await readProc(pid, 'stat');
  if (stat === undefined) return undefined;
  // The second field is the program's name in parentheses, and may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, threads, startTime] = [fields[0], fields[17], fields[19]];
  // Where the first thread has ended and others have not, it is a zombie that still holds its ports and files.
  const hasEnded = state === 'X' || (state === 'Z' && Number(threads) <= 1);
  return startTime === undefined || hasEnded ? undefined : { pid, startTime };
}

export async function isAlive(process: ProcessId): Promise<boolean> {
  return (await processId(process.pid))?.startTime === process.startTime;
}

/** Kills exactly that process, not another one that has inherited its number. */
export async function killExactly(target: ProcessId, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (!(await isAlive(target))) return;
  try {
    process.kill(target.pid, signal);
  } catch (error) {
    if (await isAlive(target)) throw error;
  }
}

/** Every process whose first argument is that program. */
export async function processesOf(program: string): Promise<ProcessId[]> {
  return matching(async (pid) => (await readProc(pid, 'cmdline'))?.split('\0')[0] === program);
}

/** The namespace's identity, such as `pid:[4026532201]`, as long as the process lives. */
export async function namespaceOf(pid: number, kind: 'pid' | 'mnt' | 'net'): Promise<string | undefined> {
  try {
    return await readlink(`/proc/${pid}/ns/${kind}`);
  } catch {
    return undefined; // it ended between two looks
  }
}

export async function processesIn(kind: 'pid' | 'mnt' | 'net', namespace: string): Promise<ProcessId[]> {
  return matching(async (pid) => (await namespaceOf(pid, kind)) === namespace);
}

/** Every process in that cgroup or one below it, whatever namespaces it is in. */
export async function processesInCgroup(cgroup: string): Promise<ProcessId[]> {
  const member = new RegExp(`:/${cgroup}(/|$)`, 'm');
  return matching(async (pid) => member.test((await readProc(pid, 'cgroup')) ?? ''));
}

export async function programOf(pid: number): Promise<string | undefined> {
  return (await readProc(pid, 'cmdline'))?.split('\0')[0];
}

async function matching(predicate: (pid: number) => Promise<boolean>): Promise<ProcessId[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number);
  const found: ProcessId[] = [];
  for (const pid of pids) {
    if (!(await predicate(pid))) continue;
    const id = await processId(pid);
    if (id !== undefined) found.push(id);
  }
  return found;
}

async function readProc(pid: number, file: string): Promise<string | undefined> {
  try {
    return await readFile(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined; // it ended between two looks
  }
}
