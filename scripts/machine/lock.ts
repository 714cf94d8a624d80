import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SetupError } from './errors.ts';
import { say } from './progress.ts';
import { isAlive, processId } from './processes.ts';

/**
 * One program at a time on this machine does what has this name. The lock names its holder; a holder that was killed
 * holds nothing. Answers the function that gives it back.
 */
export async function lock(name: string, patience = 600): Promise<() => Promise<void>> {
  const self = await processId(process.pid);
  // Without /proc (macOS) nobody could tell a living holder from a dead one, and the next start would wait for ever.
  if (self === undefined) return async () => undefined;
  const path = join(tmpdir(), `sshaccess-${name}.lock`);
  const content = `${self.pid} ${self.startTime} ${process.cwd()}\n`;
  for (let second = 0; ; second += 1) {
    if (await create(path, content)) return () => rm(path, { force: true });
    const holder = await livingHolder(path);
    if (holder === undefined) {
      await rm(path, { force: true });
      continue;
    }
    if (second >= patience) {
      throw new SetupError('BUSY', `"${name}" is held by process ${holder}; wait for it, or end it.`);
    }
    if (second % 30 === 0) say(`  … "${name}" is held by process ${holder}; waiting`);
    await delay(1000);
  }
}

/** Written first and linked into place: the lock is never seen without its holder's name. */
async function create(path: string, content: string): Promise<boolean> {
  const written = `${path}.${process.pid}`;
  await writeFile(written, content);
  try {
    await link(written, path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(written, { force: true });
  }
}

async function livingHolder(path: string): Promise<string | undefined> {
  const [pid, startTime = '', folder] = (await readFile(path, 'utf8').catch(() => '')).trim().split(' ');
  return (await isAlive({ pid: Number(pid), startTime })) ? `${pid} in ${folder}` : undefined;
}
