import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { link, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { run } from '../machine/command.ts';
import { blobPath, ociIndex, ociLayout, sha256, type ImageConfig, type ImageLayer, type NamedManifest } from './oci.ts';

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

/** Makes one OCI layout of folders that `buildah push dir:` has written into it. */
export async function writeLayoutIndex(
  layout: string,
  images: readonly { readonly folder: string; readonly name: string }[],
): Promise<void> {
  await mkdir(join(layout, 'blobs/sha256'), { recursive: true });
  const manifests: NamedManifest[] = [];
  for (const { folder: pushed, name } of images) {
    const folder = join(layout, pushed);
    const manifest = await readFile(join(folder, 'manifest.json'), 'utf8');
    manifests.push({ name, manifest });
    await rename(join(folder, 'manifest.json'), join(layout, blobPath(sha256(manifest))));
    for (const file of await readdir(folder)) {
      // The others are called by their digests; layers that two images share fall into one.
      if (file !== 'version') await rename(join(folder, file), join(layout, 'blobs/sha256', file));
    }
    await rm(folder, { recursive: true });
  }
  for (const [path, content] of ociIndex(manifests)) await writeFile(join(layout, path), content);
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
