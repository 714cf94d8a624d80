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

const folder = join(projectFolder, 'e2e/demo/app');

/** The demo's app, by its Dockerfile or, where no registry can be reached, by mmdebstrap from the same parts. */
export async function demoApp(withDocker: boolean): Promise<NamedArchive> {
  const files = await Promise.all((await readdir(folder)).toSorted().map((file) => readFile(join(folder, file))));
  const id = fingerprint(withDocker ? 'docker' : 'mmdebstrap', ...files);
  const name = `localhost/sshaccess/demo-app:${id}`;
  const path = join(cacheFolder(), `demo-app-${id}`, 'image.tar');
  return {
    name,
    archive: async () => {
      if (existsSync(path)) return path;
      await mkdir(dirname(path), { recursive: true });
      await (withDocker ? byDocker(name, path) : byHand(name, path));
      return path;
    },
  };
}

async function byDocker(name: string, archive: string): Promise<void> {
  await run('docker', ['build', '--quiet', '--tag', name, folder]);
  await run('docker', ['save', '--output', archive, name]);
}

async function byHand(name: string, archive: string): Promise<void> {
  const packages = (await readFile(join(folder, 'packages.txt'), 'utf8')).trim().split('\n');
  const layer = await rootFileSystem(packages, join(folder, 'setup.sh'));
  await writeArchive(archive, { name, layers: [layer], config: { command: ['python3', '/srv/hello/hello.py'] } });
}
