/** Images with an openssh-server in them, for runtime main_container: by Dockerfiles, with Docker or with buildah. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { withFolder } from '../../scripts/images/archive.ts';
import { type Base, buildah, docker } from '../../scripts/images/builder.ts';
import { cacheFolder, fingerprint } from '../../scripts/machine/cache.ts';
import { step } from '../../scripts/machine/progress.ts';
import { type Distribution, planBase, type PlannedBase } from './bases.ts';
import { printedContract } from './printed-contract.ts';

type Kind = {
  name: string;
  on: Distribution;
  /** A folder here with a Dockerfile, or what docs/bring-your-own-image.md prints. */
  from: 'printed' | 'image-setup' | 'reference' | 'plain' | 'posix';
  /** More instructions, at the end. */
  last?: string;
};

const KINDS = [
  { name: 'contract-12', on: 'bookworm', from: 'printed' },
  { name: 'contract-13', on: 'trixie', from: 'printed' },
  { name: 'image-setup-12', on: 'bookworm', from: 'image-setup' },
  { name: 'image-setup-13', on: 'trixie', from: 'image-setup' },
  { name: 'reference-12', on: 'bookworm', from: 'reference' },
  { name: 'posix-musl', on: 'musl', from: 'posix' },
  // Debian makes host keys when openssh-server is installed: every container of that image has the same.
  { name: 'plain-12', on: 'bookworm', from: 'plain' },
  { name: 'plain-13', on: 'trixie', from: 'plain', last: 'RUN rm /etc/ssh/ssh_host_*' },
  { name: 'plain-musl', on: 'musl', from: 'plain' },
  { name: 'without-sshd', on: 'bookworm', from: 'printed', last: 'USER root\nRUN rm /usr/sbin/sshd\nUSER 1000:1000' },
  {
    name: 'without-nss-wrapper',
    on: 'bookworm',
    from: 'printed',
    last: "USER root\nRUN find /usr/lib -name 'libnss_wrapper*' -delete\nUSER 1000:1000",
  },
] as const satisfies readonly Kind[];
export type SshdImage = (typeof KINDS)[number]['name'];

export type SshdImages = {
  /** Its name in the cluster. */
  nameOf: (image: SshdImage) => string;
  names: readonly string[];
  /** One archive with all of them, made if it is not there: they share most of their layers. */
  archive: () => Promise<string>;
};

export async function sshdImages(withDocker: boolean): Promise<SshdImages> {
  const bases = new Map<Distribution, PlannedBase>();
  for (const { on } of KINDS) bases.set(on, bases.get(on) ?? (await planBase(on, withDocker)));
  const contexts = new Map<SshdImage, ReadonlyMap<string, string>>();
  for (const kind of KINDS) contexts.set(kind.name, await contextOf(kind));

  const texts = [...contexts.values()].flatMap((files) => [...files].flat());
  const id = fingerprint(withDocker ? 'docker' : 'buildah', ...[...bases.values()].map(({ name }) => name), ...texts);
  const nameOf = (image: SshdImage): string => `localhost/sshaccess/sshd-${image}:${id}`;
  const path = join(cacheFolder(), `sshd-images-${id}`, 'images.tar');
  return {
    nameOf,
    names: KINDS.map(({ name }) => nameOf(name)),
    archive: async () => {
      if (existsSync(path)) return path;
      const made = new Map<Distribution, Base>();
      for (const [distribution, planned] of bases) made.set(distribution, await planned.make());
      await mkdir(dirname(path), { recursive: true });
      await step(`images with an openssh-server (once; kept in ${dirname(path)})`, () =>
        withFolder(async (folder) => {
          const recipes = [];
          for (const { name, on } of KINDS) {
            const [context, base] = [join(folder, name), made.get(on)];
            if (base === undefined) throw new Error(`no base ${on}`);
            await mkdir(context);
            for (const [file, text] of contexts.get(name) ?? []) await writeFile(join(context, file), text);
            recipes.push({ name: nameOf(name), context, base });
          }
          await (withDocker ? docker : buildah).follow(recipes, `${path}.${process.pid}`);
        }),
      );
      await rename(`${path}.${process.pid}`, path);
      return path;
    },
  };
}

/** The folder that the image is built from: a file name → its content. */
async function contextOf({ from, last }: Kind): Promise<ReadonlyMap<string, string>> {
  const files = from === 'printed' ? await printedContract() : await filesIn(join(import.meta.dirname, from));
  return new Map([...files].map(([name, text]) => [name, name === 'Dockerfile' ? `${text}\n${last ?? ''}\n` : text]));
}

async function filesIn(folder: string): Promise<ReadonlyMap<string, string>> {
  const names = (await readdir(folder)).toSorted();
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')] as const)),
  );
}
