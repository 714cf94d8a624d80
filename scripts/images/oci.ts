import { createHash } from 'node:crypto';

/** How a container of the image starts. */
export interface ImageConfig {
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly env?: readonly string[];
  readonly workingDir?: string;
  readonly user?: string;
}

export interface ImageLayer {
  /** `sha256:<hex>` of the uncompressed tar, which is stored as it is. */
  readonly digest: string;
  readonly size: number;
}

/**
 * The files of an OCI image layout (https://github.com/opencontainers/image-spec, v1.0) around uncompressed layers:
 * path → content. The layers themselves belong beside them, under `blobPath(digest)`.
 */
export function ociLayout(name: string, layers: readonly ImageLayer[], config: ImageConfig): Map<string, string> {
  const files = new Map<string, string>();
  const blob = (mediaType: string, value: unknown): Descriptor => {
    const content = JSON.stringify(value);
    const digest = sha256(content);
    files.set(blobPath(digest), content);
    return { mediaType, digest, size: Buffer.byteLength(content) };
  };
  const configBlob = blob('application/vnd.oci.image.config.v1+json', {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: {
      Entrypoint: config.entrypoint,
      Cmd: config.command,
      Env: config.env ?? ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      WorkingDir: config.workingDir,
      User: config.user,
    },
    // buildah counts: one entry for each layer, or it refuses to build on the image.
    history: layers.map(() => ({ created: '1970-01-01T00:00:00Z', created_by: 'sshaccess' })),
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.digest) },
  });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: configBlob,
    layers: layers.map((layer) => ({ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer })),
  });
  files.set(blobPath(sha256(manifest)), manifest);
  return new Map([...files, ...ociIndex([{ name, manifest }])]);
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json';

export interface NamedManifest {
  readonly name: string;
  readonly manifest: string;
}

/** The two files that make a folder of blobs an OCI layout, and give its images their names. */
export function ociIndex(images: readonly NamedManifest[]): Map<string, string> {
  const manifests = images.map(({ name, manifest }) => ({
    mediaType: manifestType,
    digest: sha256(manifest),
    size: Buffer.byteLength(manifest),
    // containerd reads the first annotation, docker and buildah the second.
    annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name },
  }));
  return new Map([
    ['index.json', JSON.stringify({ schemaVersion: 2, manifests })],
    ['oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' })],
  ]);
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export function blobPath(digest: string): string {
  return digest.replace('sha256:', 'blobs/sha256/');
}

export function sha256(content: string | Uint8Array): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
