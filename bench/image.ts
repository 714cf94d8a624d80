import * as z from 'zod';
import { buildah, docker, dockerAnswers } from '../scripts/images/builder.ts';
import { blobPath } from '../scripts/images/oci.ts';
import { programImages } from '../scripts/images/programs.ts';
import { run } from '../scripts/machine/command.ts';

const MIB = 2 ** 20;
const Described = z.object({ digest: z.string(), size: z.number() });
const Index = z.object({
  manifests: z.array(Described.extend({ annotations: z.record(z.string(), z.string()) })),
});
const Manifest = z.object({ layers: z.array(Described) });

/** What the layers of the sidecar's image take as they are stored, in MiB: all of them, and those that no other image has. */
export async function sidecarImageMib(): Promise<{ all: number; own: number }> {
  const images = await programImages((await dockerAnswers()) ? docker : buildah);
  const archive = await images.archive();
  const read = async <Content>(schema: z.ZodType<Content>, path: string): Promise<Content> =>
    schema.parse(JSON.parse(await run('tar', ['-xOf', archive, `./${path}`])));
  const layersOf = async (program: string): Promise<z.infer<typeof Described>[]> => {
    const { manifests } = await read(Index, 'index.json');
    const found = manifests.find(({ annotations }) =>
      Object.values(annotations).some((name) => name.includes(`/${program}:`)),
    );
    if (found === undefined) throw new Error(`${archive} has no image of the ${program}`);
    return (await read(Manifest, blobPath(found.digest))).layers;
  };
  const sidecar = await layersOf('sidecar');
  // Those below, Debian and Node, are the other programs' too.
  const shared = new Set((await layersOf('piper')).map(({ digest }) => digest));
  const sum = (layers: z.infer<typeof Described>[]): number =>
    layers.reduce((total, { size }) => total + size, 0) / MIB;
  return { all: sum(sidecar), own: sum(sidecar.filter(({ digest }) => !shared.has(digest))) };
}
