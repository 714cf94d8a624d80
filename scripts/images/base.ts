import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheFolder, fingerprint } from '../machine/cache.ts';
import { SetupError } from '../machine/errors.ts';
import { step } from '../machine/progress.ts';
import { projectFolder } from '../places.ts';
import { tarFolder, withFolder, writeArchive } from './archive.ts';
import { rootFileSystem } from './root-file-system.ts';

export interface BaseImage {
  readonly name: string;
  readonly archive: string;
}

/**
 * An image with the shape of `node:24-bookworm-slim`, for machines that cannot pull it: a small Debian, and at
 * /usr/local/bin the Node that npm installed for this project.
 */
export async function baseImage(): Promise<BaseImage> {
  const root = await rootFileSystem(['libstdc++6']);
  const node = join(projectFolder, 'node_modules', `node-linux-${process.arch}`);
  if (!existsSync(join(node, 'bin/node'))) {
    throw new SetupError('NODE_PACKAGE_MISSING', `There is no ${node}/bin/node; run \`npm ci\` first.`);
  }
  // The package's description names its version, and hashes faster than 120 MB of program.
  const id = fingerprint(dirname(root), await readFile(join(node, 'package.json')));
  const name = `localhost/sshaccess/base:${id}`;
  const archive = join(cacheFolder(), `base-${id}`, 'image.tar');
  if (existsSync(archive)) return { name, archive };

  await step('base image with Node', async () => {
    await mkdir(dirname(archive), { recursive: true });
    const layer = join(dirname(archive), 'node.tar');
    await withFolder(async (folder) => {
      const program = join(folder, 'usr/local/bin/node');
      await mkdir(dirname(program), { recursive: true });
      await copyFile(join(node, 'bin/node'), program);
      await chmod(program, 0o755);
      await tarFolder(folder, layer);
    });
    await writeArchive(archive, { name, layers: [root, layer], config: { command: ['/usr/local/bin/node'] } });
  });
  return { name, archive };
}
