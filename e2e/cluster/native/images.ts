import { existsSync } from 'node:fs';
import { copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from '../../../scripts/machine/command.ts';
import { staticProgram } from '../../../scripts/machine/static-program.ts';
import { tarFolder, withFolder, writeArchive } from '../../../scripts/images/archive.ts';
import type { ClusterNames } from '../names.ts';
import { enter } from './node.ts';
import type { ProcessId } from '../../../scripts/machine/processes.ts';
import { pauseImage } from './settings.ts';

/** Imports an archive into the node's containerd; answers the names of the images that came with it. */
export async function importImages(node: ProcessId, names: ClusterNames, archive: string): Promise<string[]> {
  // By stdin: the node does not see this machine's files in /run, /var/lib and /var/log.
  const args = [...enter(node), ...ctr(names), 'images', 'import', '-'];
  return importedNames(await run('nsenter', args, { inputFile: archive, cwd: '/' }));
}

export async function hasImage(node: ProcessId, names: ClusterNames, name: string): Promise<boolean> {
  const args = [...enter(node), ...ctr(names), 'images', 'list', '--quiet', `name==${name}`];
  return (await run('nsenter', args, { cwd: '/' })).trim() === name;
}

function ctr(names: ClusterNames): string[] {
  return ['ctr', '--address', join(names.folder, 'containerd.sock'), '--namespace', 'k8s.io'];
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
