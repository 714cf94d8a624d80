import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SetupError } from '../../../scripts/machine/errors.ts';
import { say } from '../../../scripts/machine/progress.ts';
import { stateRoot } from '../names.ts';
import { isAlive, processId } from './processes.ts';

/**
 * One program at a time starts, uses or stops the cluster of a name. The lock names its holder; a holder that was
 * killed holds nothing. Answers the function that gives it back.
 */
export async function lockCluster(name: string, patience = 600): Promise<() => Promise<void>> {
  await mkdir(stateRoot, { recursive: true });
  const path = join(stateRoot, `${name}.lock`);
  const self = await processId(process.pid);
  if (self === undefined) throw new SetupError('NO_PROC', '/proc does not show this process; is it mounted?');
  const content = `${self.pid} ${self.startTime} ${process.cwd()}\n`;
  for (let second = 0; ; second += 1) {
    if (await create(path, content)) return () => rm(path, { force: true });
    const holder = await livingHolder(path);
    if (holder === undefined) {
      await rm(path, { force: true });
      continue;
    }
    if (second >= patience) {
      throw new SetupError('CLUSTER_BUSY', `Cluster "${name}" is in use by process ${holder}; wait for it, or end it.`);
    }
    if (second % 30 === 0) say(`  … cluster "${name}" is in use by process ${holder}; waiting`);
    await delay(1000);
  }
}

async function create(path: string, content: string): Promise<boolean> {
  try {
    await writeFile(path, content, { flag: 'wx' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

async function livingHolder(path: string): Promise<string | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const [pid, startTime, folder] = text.trim().split(' ');
  // Created, and not written yet: give its maker a moment.
  if (pid === undefined || startTime === undefined) return (await delay(200, text)) === '' ? undefined : text;
  return (await isAlive({ pid: Number(pid), startTime })) ? `${pid} in ${folder}` : undefined;
}
