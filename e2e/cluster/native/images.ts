import { existsSync } from 'node:fs';
import { copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from '../../../scripts/machine/command.ts';
import { staticProgram } from '../../../scripts/machine/static-program.ts';
import { tarFolder, withFolder, writeArchive } from '../../../scripts/images/archive.ts';
import type { ClusterNames } from '../names.ts';
import type { ProcessId } from './processes.ts';
import { pauseImage } from './settings.ts';

/** Imports an archive into the node's containerd; answers the names of the images that came with it. */
export async function importImages(node: ProcessId, names: ClusterNames, archive: string): Promise<string[]> {
  const socket = join(names.folder, 'containerd.sock');
  const enter = ['--target', String(node.pid), '--pid', '--mount', '--net', '--'];
  // The archive comes by stdin's path: the node sees this machine's files, except its own /run, /var/lib and /var/log.
  const ctr = ['ctr', '--address', socket, '--namespace', 'k8s.io'];
  const said = await run('nsenter', [...enter, ...ctr, 'images', 'import', archive]);
  return importedNames(said);
}

/** `ctr` prints "unpacking <name> (sha256:…)...done" for each. */
export function importedNames(output: string): string[] {
  return [...output.matchAll(/^unpacking (\S+) /gm)].map(([, name]) => name ?? '');
}

/** The image of every pod's first container, whose only work is to be there. */
export async function pauseArchive(): Promise<string> {
  const program = await staticProgram('node-init', [join(import.meta.dirname, 'node-init.c')]);
  const archive = join(dirname(program), 'pause.tar');
  if (existsSync(archive)) return archive;
  await withFolder(async (folder) => {
    await mkdir(join(folder, 'root'));
    await copyFile(program, join(folder, 'root/pause'));
    // In the cache folder, beside the archive, or it could not be linked into the layout.
    const layer = join(dirname(program), 'pause-layer.tar');
    await tarFolder(join(folder, 'root'), layer);
    await writeArchive(archive, { name: pauseImage, layers: [layer], config: { entrypoint: ['/pause'] } });
  });
  return archive;
}
