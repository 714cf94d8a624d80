import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { link, mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { run } from '../machine/command.ts';
import { blobPath, ociLayout, type ImageConfig, type ImageLayer } from './oci.ts';

/** Makes tar write the same bytes for the same files. */
const reproducible = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner', '--format=gnu'];

export async function tarFolder(folder: string, archive: string): Promise<void> {
  await run('tar', [...reproducible, '-C', folder, '-cf', archive, '.']);
}

/** An OCI archive of one image made of these layer tars, at `archive`. */
export async function writeArchive(
  archive: string,
  image: { readonly name: string; readonly layers: readonly string[]; readonly config: ImageConfig },
): Promise<void> {
  await mkdir(dirname(archive), { recursive: true });
  // Beside the archive, so that a layer of hundreds of megabytes is linked, not copied.
  const layout = await mkdtemp(`${archive}.`);
  try {
    const layers: ImageLayer[] = [];
    await mkdir(join(layout, 'blobs/sha256'), { recursive: true });
    for (const path of image.layers) {
      const layer = await measureLayer(path);
      layers.push(layer);
      await link(path, join(layout, blobPath(layer.digest)));
    }
    for (const [path, content] of ociLayout(image.name, layers, image.config)) {
      await writeFile(join(layout, path), content);
    }
    await tarFolder(layout, `${layout}.tar`);
    await rename(`${layout}.tar`, archive);
  } finally {
    await rm(layout, { recursive: true, force: true });
  }
}

async function measureLayer(path: string): Promise<ImageLayer> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return { digest: `sha256:${hash.digest('hex')}`, size: (await stat(path)).size };
}

/** Runs `work` with a folder that is gone afterwards. */
export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'sshaccess-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
