import { expect, test } from 'vitest';
import { z } from 'zod';
import { blobPath, ociLayout, sha256 } from './oci.ts';

const layer = { digest: sha256('a layer'), size: 7 };
const layout = ociLayout('localhost/sshaccess/pause:1', [layer], { entrypoint: ['/pause'], user: '1' });
const descriptor = z.object({ digest: z.string(), size: z.number() });

function read<T extends z.ZodType>(path: string, schema: T): z.output<T> {
  return schema.parse(JSON.parse(layout.get(path) ?? 'null'));
}

test('every file is where its digest says, and as long as its descriptor says', () => {
  const index = read('index.json', z.object({ manifests: z.array(descriptor) }));
  const [manifest] = index.manifests;
  if (manifest === undefined) throw new Error('no manifest');
  const { config, layers } = read(
    blobPath(manifest.digest),
    z.object({ config: descriptor, layers: z.array(descriptor) }),
  );
  for (const { digest, size } of [manifest, config]) {
    const content = layout.get(blobPath(digest)) ?? '';
    expect(sha256(content)).toBe(digest);
    expect(Buffer.byteLength(content)).toBe(size);
  }
  expect(layers).toEqual([layer]);
});

test('the image carries its name for containerd, and for docker and buildah', () => {
  const index = read(
    'index.json',
    z.object({ manifests: z.array(z.object({ annotations: z.record(z.string(), z.string()) })) }),
  );
  expect(Object.values(index.manifests[0]?.annotations ?? {})).toEqual([
    'localhost/sshaccess/pause:1',
    'localhost/sshaccess/pause:1',
  ]);
});

test('the configuration names each layer, and how the container starts', () => {
  const configs = [...layout.values()].filter((content) => content.includes('rootfs'));
  expect(configs).toHaveLength(1);
  expect(JSON.parse(configs[0] ?? '')).toMatchObject({
    os: 'linux',
    config: { Entrypoint: ['/pause'], User: '1' },
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
    history: [{}],
  });
});
