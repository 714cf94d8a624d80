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

/** Makes images from this project's Dockerfile, and one archive that holds them all. */
export interface Builder {
  /** Names what the images are built on: a part of their inputs. */
  base(): Promise<string>;
  build(targets: readonly Target[], archive: string): Promise<void>;
}

export const docker: Builder = {
  base: async () => 'node:24-bookworm-slim',
  build: async (targets, archive) => {
    for (const { target, name } of targets) {
      await run('docker', ['build', '--quiet', '--target', target, '--tag', name, projectFolder]);
    }
    await run('docker', ['save', '--output', archive, ...targets.map(({ name }) => name)]);
  },
};

/** No daemon and no registry: buildah's `chroot` isolation, on a base image made here. */
export const buildah: Builder = {
  base: async () => (await baseImage()).name,
  build: async (targets, archive) => {
    await ensurePackages(['buildah']);
    const base = await baseImage();
    if ((await attempt(...command('inspect', '--type', 'image', base.name))).code !== 0) {
      await run(...command('pull', '--quiet', `oci-archive:${base.archive}`));
    }
    const layout = `${archive}.layout`;
    await rm(layout, { recursive: true, force: true });
    await Promise.all(targets.map((target) => buildInto(layout, base.name, target)));
    await writeLayoutIndex(layout, targets);
    await tarFolder(layout, archive);
    await rm(layout, { recursive: true, force: true });
  },
};

/** The image's layers, uncompressed: its base is in the layout only once, and nobody waits for gzip. */
async function buildInto(layout: string, base: string, { target, name }: Target): Promise<void> {
  const from = ['--pull-never', '--build-arg', `BASE=${base}`, '--target', target];
  // One time for all files: the same content makes the same layer.
  await run(...command('bud', '--quiet', '--isolation=chroot', '--timestamp=0', ...from, '--tag', name, projectFolder));
  const pushed = join(layout, target);
  await mkdir(pushed, { recursive: true });
  await run(...command('push', '--quiet', '--format=oci', '--disable-compression', name, `dir:${pushed}`));
  await run(...command('rmi', name));
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
