import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { tarFolder, withFolder, writeArchive } from '../../scripts/images/archive.ts';
import type { NamedArchive } from '../../scripts/images/app-image.ts';
import { rootFileSystem } from '../../scripts/images/root-file-system.ts';
import { ensurePackages } from '../../scripts/machine/apt.ts';
import { cacheFolder, fingerprint } from '../../scripts/machine/cache.ts';
import { run } from '../../scripts/machine/command.ts';
import { step } from '../../scripts/machine/progress.ts';
import { staticProgram } from '../../scripts/machine/static-program.ts';

export const IMAGE_KINDS = ['debian', 'sh', 'musl', 'distroless'] as const;
export type ImageKind = (typeof IMAGE_KINDS)[number];

const here = import.meta.dirname;
const command = ['/probe', 'serve', '/tmp'];

/** The image of a kind, by the Dockerfile or, where no registry can be reached, made of Debian packages alone. */
export async function testImage(kind: ImageKind, withDocker: boolean): Promise<NamedArchive> {
  const id = fingerprint(withDocker ? 'docker' : 'by hand', kind, ...(await recipe()));
  const name = `localhost/sshaccess/test-${kind}:${id}`;
  const path = join(cacheFolder(), `test-${kind}-${id}`, 'image.tar');
  return {
    name,
    archive: async () => {
      if (existsSync(path)) return path;
      await mkdir(dirname(path), { recursive: true });
      if (withDocker) await byDocker(kind, name, path);
      else
        await writeArchive(path, {
          name,
          layers: [...(await baseOf[kind](dirname(path))), await probe()],
          config: { command },
        });
      return path;
    },
  };
}

/** Whatever is in this folder: all images are made anew when one recipe changes. */
async function recipe(): Promise<Buffer[]> {
  const entries = await readdir(here, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(files.toSorted().map((file) => readFile(file)));
}

async function byDocker(kind: ImageKind, name: string, archive: string): Promise<void> {
  await run('docker', ['build', '--quiet', '--target', kind, '--tag', name, here]);
  await run('docker', ['save', '--output', archive, name]);
}

/** The layers below the probe. */
const baseOf: Readonly<Record<ImageKind, (folder: string) => Promise<string[]>>> = {
  debian: async () => {
    const packages = (await readFile(join(here, 'debian/packages.txt'), 'utf8')).trim().split('\n');
    return [await rootFileSystem(packages, join(here, 'debian/setup.sh'))];
  },
  // The same small Debian that our own images are made of, so it is there already.
  sh: async (folder) => [await rootFileSystem(['libstdc++6']), await withoutBash(folder)],
  musl: async () => [await muslRoot()],
  distroless: async () => [],
};

async function layer(tar: string, fill: (folder: string) => Promise<void>): Promise<string> {
  await withFolder(async (folder) => {
    await fill(folder);
    await tarFolder(folder, tar);
  });
  return tar;
}

/** A file `.wh.<name>` takes `<name>` of the layers below away (OCI image specification, whiteouts). */
const withoutBash = (folder: string): Promise<string> =>
  layer(join(folder, 'without-bash.tar'), async (root) => {
    await mkdir(join(root, 'usr/bin'), { recursive: true });
    for (const name of ['bash', 'rbash']) await writeFile(join(root, 'usr/bin', `.wh.${name}`), '');
    await mkdir(join(root, 'etc'));
    await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  });

async function probe(): Promise<string> {
  const program = await staticProgram('probe', [join(here, 'probe/probe.c')]);
  const tar = join(dirname(program), 'layer.tar');
  return existsSync(tar) ? tar : layer(tar, (root) => copyFile(program, join(root, 'probe')));
}

async function muslRoot(): Promise<string> {
  const files = (await readdir(join(here, 'musl'))).toSorted().map((file) => join(here, 'musl', file));
  const id = fingerprint(process.arch, ...(await Promise.all(files.map((file) => readFile(file)))));
  const folder = join(cacheFolder(), `musl-${id}`);
  const tar = join(folder, 'root.tar');
  if (existsSync(tar)) return tar;
  await ensurePackages(['mmdebstrap', 'debian-archive-keyring']);
  await mkdir(folder, { recursive: true });
  await step(`busybox with musl, from Debian's sources (once; kept in ${folder})`, async () => {
    const partial = join(folder, `partial-${process.pid}.tar`);
    const compiler = '--include=bzip2,dpkg-dev,gcc,libc6-dev,make,musl-tools';
    const hook = `--customize-hook=sh '${join(here, 'musl/build.sh')}' "$1" '${partial}'`;
    await run('mmdebstrap', ['--variant=apt', compiler, hook, 'bookworm', '/dev/null']);
    await rename(partial, tar);
  });
  return tar;
}
