import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build, programs } from '../build.ts';
import { fingerprint } from '../machine/cache.ts';
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
  await step('npm run build', () => build());
  const tag = fingerprint(await builder.base(), ...(await inputs()));
  const targets = programs.map((target): Target => ({ target, name: `${imageRegistry}/${target}:${tag}` }));
  return { tag, names: targets.map(({ name }) => name), archive: () => archiveOf(builder, tag, targets) };
}

async function inputs(): Promise<Buffer[]> {
  const dist = join(projectFolder, 'dist');
  const entries = await readdir(dist, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const all = [join(projectFolder, 'Dockerfile'), ...files.toSorted()];
  const named = all.flatMap((path) => [Promise.resolve(Buffer.from(path.slice(projectFolder.length))), readFile(path)]);
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
