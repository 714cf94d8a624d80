import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheFolder, fingerprint } from '../machine/cache.ts';
import { run } from '../machine/command.ts';
import { projectFolder } from '../places.ts';
import { writeArchive } from './archive.ts';
import { rootFileSystem } from './root-file-system.ts';

export interface NamedArchive {
  readonly name: string;
  archive(): Promise<string>;
}

export interface AppImage {
  readonly name: string;
  /** Holds a Dockerfile, and the parts that it and mmdebstrap make the image of: packages.txt and setup.sh. */
  readonly folder: string;
  /** The Dockerfile's CMD. */
  readonly command: readonly string[];
}

/** The demo's app: it greets. */
export const demoApp: AppImage = {
  name: 'demo-app',
  folder: join(projectFolder, 'e2e/demo/app'),
  command: ['python3', '/srv/hello/hello.py'],
};

/** What clients bring their own other half for: rsync, git, Python, sudo, tmux. */
export const workbench: AppImage = {
  name: 'workbench',
  folder: join(projectFolder, 'e2e/clients/workbench'),
  command: ['sleep', 'infinity'],
};

/** An app of the tests, by its Dockerfile or, where no registry can be reached, by mmdebstrap from the same parts. */
export async function appImage(image: AppImage, withDocker: boolean): Promise<NamedArchive> {
  const { folder } = image;
  const files = await Promise.all((await readdir(folder)).toSorted().map((file) => readFile(join(folder, file))));
  const id = fingerprint(withDocker ? 'docker' : 'mmdebstrap', ...files);
  const name = `localhost/sshaccess/${image.name}:${id}`;
  const path = join(cacheFolder(), `${image.name}-${id}`, 'image.tar');
  return {
    name,
    archive: async () => {
      if (existsSync(path)) return path;
      await mkdir(dirname(path), { recursive: true });
      await (withDocker ? byDocker(name, folder, path) : byHand(name, image, path));
      return path;
    },
  };
}

async function byDocker(name: string, folder: string, archive: string): Promise<void> {
  await run('docker', ['build', '--quiet', '--tag', name, folder]);
  await run('docker', ['save', '--output', archive, name]);
}

async function byHand(name: string, { folder, command }: AppImage, archive: string): Promise<void> {
  const packages = (await readFile(join(folder, 'packages.txt'), 'utf8')).trim().split('\n');
  const layer = await rootFileSystem(packages, join(folder, 'setup.sh'));
  await writeArchive(archive, { name, layers: [layer], config: { command } });
}
