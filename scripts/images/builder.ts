import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ensurePackages } from '../machine/apt.ts';
import { cacheFolder } from '../machine/cache.ts';
import { attempt, run } from '../machine/command.ts';
import { projectFolder } from '../places.ts';
import { tarFolder, writeLayoutIndex } from './archive.ts';
import { baseImage } from './base.ts';

export interface Target {
  /** A target of the Dockerfile. */
  readonly target: string;
  /** The image's name, with its tag. */
  readonly name: string;
}

/** An image of some other Dockerfile, which begins with `ARG BASE` and `FROM ${BASE}`. */
export interface Recipe {
  readonly name: string;
  /** The folder with the Dockerfile and what it copies. */
  readonly context: string;
  readonly base: Base;
}

export interface Base {
  readonly name: string;
  /** Where the image is, if no registry has it. */
  readonly archive?: string;
}

/** Makes images from Dockerfiles, and one archive that holds them all. */
export interface Builder {
  /** Names what the images of this project's Dockerfile are built on: a part of their inputs. */
  base(): Promise<string>;
  build(targets: readonly Target[], archive: string): Promise<void>;
  /** Commands in these Dockerfiles may use the network. */
  follow(recipes: readonly Recipe[], archive: string): Promise<void>;
}

export const docker: Builder = {
  base: async () => 'node:24-bookworm-slim',
  build: async (targets, archive) => {
    for (const { target, name } of targets) {
      await run('docker', ['build', '--quiet', '--target', target, '--tag', name, projectFolder]);
    }
    await run('docker', ['save', '--output', archive, ...targets.map(({ name }) => name)]);
  },
  follow: async (recipes, archive) => {
    for (const { name, context, base } of recipes) {
      await run('docker', ['build', '--quiet', '--build-arg', `BASE=${base.name}`, '--tag', name, context]);
    }
    await run('docker', ['save', '--output', archive, ...recipes.map(({ name }) => name)]);
  },
};

/** No daemon and no registry: buildah's `chroot` isolation, on a base image made here. */
export const buildah: Builder = {
  base: async () => (await baseImage()).name,
  build: async (targets, archive) => {
    const base = await baseImage();
    await pull(base);
    await inOneArchive(archive, targets, (layout) =>
      Promise.all(
        targets.map(async ({ target, name }) => {
          const recipe = { name, context: projectFolder, base };
          await buildInto(join(layout, folderOf(name)), recipe, ['--target', target]);
          await run(...command('rmi', name));
        }),
      ),
    );
  },
  follow: async (recipes, archive) => {
    for (const { base } of recipes) await pull(base);
    await inOneArchive(archive, recipes, async (layout) => {
      // One after the other: they install packages, which is work for all of the machine. So their layers are kept, by a
      // name that is always the same: what they have made before is not made again.
      for (const recipe of recipes) {
        const kept = recipe.name.replace(/:[^:]*$/, ':kept');
        await buildInto(join(layout, folderOf(recipe.name)), { ...recipe, name: kept }, ['--layers']);
      }
    });
  },
};

async function pull(base: Base): Promise<void> {
  await ensurePackages(['buildah']);
  if (base.archive === undefined) return;
  if ((await attempt(...command('inspect', '--type', 'image', base.name))).code === 0) return;
  await run(...command('pull', '--quiet', `oci-archive:${base.archive}`));
}

async function inOneArchive(
  archive: string,
  images: readonly { readonly name: string }[],
  build: (layout: string) => Promise<unknown>,
): Promise<void> {
  const layout = `${archive}.layout`;
  await rm(layout, { recursive: true, force: true });
  await build(layout);
  await writeLayoutIndex(
    layout,
    images.map(({ name }) => ({ folder: folderOf(name), name })),
  );
  await tarFolder(layout, archive);
  await rm(layout, { recursive: true, force: true });
}

const folderOf = (image: string): string => image.replaceAll(/[^a-z0-9]/g, '-');

/** The image's layers, uncompressed: its base is in the layout only once, and nobody waits for gzip. */
async function buildInto(folder: string, { name, context, base }: Recipe, more: readonly string[] = []): Promise<void> {
  const from = ['--pull-never', '--build-arg', `BASE=${base.name}`, ...more];
  // One time for all files: the same content makes the same layer.
  const bud = ['bud', '--quiet', '--isolation=chroot', '--timestamp=0', ...from, '--tag', name, context];
  const id = (await run(...command(...bud))).trim();
  await mkdir(folder, { recursive: true });
  // By its id: the name may be another's by now.
  await run(...command('push', '--quiet', '--format=oci', '--disable-compression', id, `dir:${folder}`));
}

/** Its mounts are in a namespace that ends with it: an interrupted build leaves none. */
function command(...args: readonly string[]): [string, string[]] {
  const store = join(cacheFolder(), 'buildah');
  const storage = ['--root', join(store, 'storage'), '--runroot', join(store, 'run'), '--storage-driver', 'overlay'];
  return ['unshare', ['--mount', 'buildah', ...storage, ...args]];
}

export async function dockerAnswers(): Promise<boolean> {
  return (
    (await attempt('docker', ['version', '--format', '{{.Server.Version}}']).catch(() => ({ code: 1 }))).code === 0
  );
}
