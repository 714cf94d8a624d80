import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ensurePackages } from '../machine/apt.ts';
import { cacheFolder, fingerprint } from '../machine/cache.ts';
import { run } from '../machine/command.ts';
import { step } from '../machine/progress.ts';

/** Documentation and translations are half of a small Debian, and nobody reads them in a container. */
const left = ['/usr/share/man/*', '/usr/share/doc/*', '/usr/share/locale/*', '/usr/share/info/*'];

const options = [
  '--variant=essential',
  ...left.map((path) => `--dpkgopt=path-exclude=${path}`),
  // Licences must travel with what they license.
  '--dpkgopt=path-include=/usr/share/doc/*/copyright',
];

/**
 * A tar of Debian's essential packages and these: the layer that an image can start from, made once.
 * `setUp`: a script that gets the root folder as its argument, and may use what lies beside it.
 */
export async function rootFileSystem(packages: readonly string[], setUp?: string): Promise<string> {
  const id = fingerprint(process.arch, ...options, ...packages, ...(await contents(setUp)));
  const folder = join(cacheFolder(), `debian-${id}`);
  const archive = join(folder, 'root.tar');
  if (existsSync(archive)) return archive;
  await ensurePackages(['mmdebstrap', 'debian-archive-keyring']);
  await mkdir(folder, { recursive: true });
  await step(`mmdebstrap bookworm ${packages.join(' ')} (once; kept in ${folder})`, async () => {
    // The name must end in .tar: mmdebstrap decides by it what to write.
    const partial = join(folder, `partial-${process.pid}.tar`);
    const hook = setUp === undefined ? [] : [`--customize-hook=sh '${setUp}' "$1"`];
    await run('mmdebstrap', [...options, ...hook, `--include=${packages.join(',')}`, 'bookworm', partial]);
    await rename(partial, archive);
  });
  return archive;
}

async function contents(script: string | undefined): Promise<Buffer[]> {
  if (script === undefined) return [];
  const files = (await readdir(dirname(script))).toSorted();
  return Promise.all(files.map((file) => readFile(join(dirname(script), file))));
}
