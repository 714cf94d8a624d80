import { existsSync } from 'node:fs';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { writeArchive } from '../../scripts/images/archive.ts';
import type { Base } from '../../scripts/images/builder.ts';
import { ensurePackages } from '../../scripts/machine/apt.ts';
import { cacheFolder, fingerprint } from '../../scripts/machine/cache.ts';
import { run } from '../../scripts/machine/command.ts';
import { step } from '../../scripts/machine/progress.ts';

/** `musl` is Alpine, or what Alpine is made of. */
export type Distribution = 'bookworm' | 'trixie' | 'musl';

export type PlannedBase = {
  /** Says what is in it: the same name, the same content. */
  name: string;
  make: () => Promise<Base>;
};

const fromRegistry: Readonly<Record<Distribution, string>> = {
  bookworm: 'debian:bookworm-slim',
  trixie: 'debian:trixie-slim',
  musl: 'alpine:3.22',
};

/** apt, while it installs into the image, keeps neither packages nor tables for the next time. */
const LEAN = ['Dir::Cache::pkgcache "";', 'Dir::Cache::srcpkgcache "";', 'APT::Keep-Downloaded-Packages "false";'];
/** As in Debian's own image for containers. */
const debianOptions = [
  '--variant=minbase',
  '--dpkgopt=path-exclude=/usr/share/man/*',
  '--dpkgopt=path-exclude=/usr/share/doc/*',
  '--dpkgopt=path-include=/usr/share/doc/*/copyright',
  `--customize-hook=printf '%s\\n' ${LEAN.map((line) => `'${line}'`).join(' ')} >"$1/etc/apt/apt.conf.d/lean"`,
];
const compiler = '--include=bzip2,dpkg-dev,gcc,libc6-dev,make,musl-tools,xz-utils';
const muslScript = join(import.meta.dirname, 'musl/build.sh');

/** What a Dockerfile here begins with: from a registry, or made by mmdebstrap. */
export async function planBase(distribution: Distribution, withDocker: boolean): Promise<PlannedBase> {
  const known = fromRegistry[distribution];
  if (withDocker) return { name: known, make: async () => ({ name: known }) };
  const isMusl = distribution === 'musl';
  const inputs = isMusl ? [compiler, await readFile(muslScript)] : debianOptions;
  const id = fingerprint(process.arch, distribution, ...inputs);
  const name = `localhost/sshaccess/${distribution}:${id}`;
  const folder = join(cacheFolder(), `base-${distribution}-${id}`);
  const archive = join(folder, 'image.tar');
  return {
    name,
    make: async () => {
      if (existsSync(archive)) return { name, archive };
      await ensurePackages(['mmdebstrap', 'debian-archive-keyring']);
      await mkdir(folder, { recursive: true });
      await step(`a base of ${distribution} (once; kept in ${folder})`, async () => {
        // The name must end in .tar: mmdebstrap decides by it what to write.
        const partial = join(folder, `partial-${process.pid}.tar`);
        await run('mmdebstrap', isMusl ? muslArguments(partial) : [...debianOptions, distribution, partial]);
        await rename(partial, join(folder, 'root.tar'));
        await writeArchive(archive, { name, layers: [join(folder, 'root.tar')], config: { command: ['/bin/sh'] } });
      });
      return { name, archive };
    },
  };
}

/** The Debian around the compiler is thrown away: what its hook leaves is the base. */
function muslArguments(tar: string): string[] {
  const hook = `--customize-hook=sh '${muslScript}' "$1" '${tar}'`;
  return ['--variant=apt', compiler, hook, 'trixie', '/dev/null'];
}
