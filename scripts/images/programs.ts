import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { build, programs } from '../build.ts';
import { fingerprint } from '../machine/cache.ts';
import { lock } from '../machine/lock.ts';
import { step } from '../machine/progress.ts';
import { localFolder, projectFolder } from '../places.ts';
import type { Builder, Target } from './builder.ts';

export const imageRegistry = 'localhost/sshaccess';

/** The images of this very source, whether they are made already or not. */
export interface ProgramImages {
  /** Names the content of all of them: what has not changed is neither built nor loaded nor rolled out again. */
  readonly tag: string;
  readonly names: readonly string[];
  /** One archive with all of them, made if it is not there. */
  archive(): Promise<string>;
}

export async function programImages(builder: Builder): Promise<ProgramImages> {
  await step('npm run build', () => locked(() => build()));
  const tag = fingerprint(await builder.base(), ...(await inputs()));
  const targets = programs.map((target): Target => ({ target, name: `${imageRegistry}/${target}:${tag}` }));
  const archive = (): Promise<string> => locked(() => archiveOf(builder, tag, targets));
  return { tag, names: targets.map(({ name }) => name), archive };
}

/** Two runs in this clone write the same dist/ and the same archive: one after the other. */
async function locked<T>(work: () => Promise<T>): Promise<T> {
  const unlock = await lock(`build-${fingerprint(projectFolder)}`);
  try {
    return await work();
  } finally {
    await unlock();
  }
}

async function inputs(): Promise<Buffer[]> {
  const folders = [...programs, 'tools'].map((folder) => join(projectFolder, 'dist', folder));
  const entries = await Promise.all(folders.map((path) => readdir(path, { recursive: true, withFileTypes: true })));
  const files = entries.flat().filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).toSorted();
  const all = [join(projectFolder, 'Dockerfile'), ...paths];
  const named = all.flatMap((path) => [Promise.resolve(Buffer.from(relative(projectFolder, path))), readFile(path)]);
  return Promise.all(named);
}

async function archiveOf(builder: Builder, tag: string, targets: readonly Target[]): Promise<string> {
  const folder = join(localFolder, 'images');
  const archive = join(folder, `programs-${tag}.tar`);
  if (existsSync(archive)) return archive;
  await mkdir(folder, { recursive: true });
  // Hundreds of megabytes each: only the newest stays.
  const old = (await readdir(folder)).filter((file) => file.startsWith('programs-'));
  for (const file of old) await rm(join(folder, file), { recursive: true, force: true });
  await step(`images ${programs.join(', ')}`, async () => {
    await builder.build(targets, `${archive}.${process.pid}`);
    await rename(`${archive}.${process.pid}`, archive);
  });
  return archive;
}
