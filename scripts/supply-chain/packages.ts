import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import * as z from 'zod';
import { SetupError } from '../machine/errors.ts';

/** A package of npm that has come into a bundle. */
export type BundledPackage = {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  /** Where it lies in the project. */
  readonly folder: string;
};

/** What we may give away under our own licence, with no more than a notice. Whoever adds one has read it. */
const ALLOWED: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
  'Unlicense',
]);

/** `license` is a word of SPDX; packages of long ago have an object, or a list of such. */
const Old = z.object({ type: z.string() });
const Manifest = z.object({
  name: z.string(),
  version: z.string(),
  license: z.union([z.string(), Old]).optional(),
  licenses: z.union([z.tuple([Old]), z.tuple([z.string()])]).optional(),
});

/**
 * The packages that a bundle is made of, as esbuild says it: not those that are installed, and none that nothing was taken of.
 * @throws SetupError for one whose licence is none of those that we allow
 */
export async function bundledPackages(
  project: string,
  { outputs }: Pick<Metafile, 'outputs'>,
): Promise<BundledPackage[]> {
  const files = Object.values(outputs).flatMap(({ inputs }) => Object.keys(inputs));
  const folders = [...new Set(files.flatMap(packageFolder))].toSorted();
  const packages = await Promise.all(folders.map((folder) => readPackage(project, folder)));
  for (const { name, version, licence } of packages) {
    if (!ALLOWED.has(licence))
      throw new SetupError(
        'LICENCE',
        `${name} ${version} has the licence ${licence}, which scripts/supply-chain/packages.ts does not allow`,
      );
  }
  return packages;
}

/** esbuild puts the namespace of a plugin before a path. */
function packageFolder(file: string): string[] {
  const folder = /^(?:[\w-]+:)?((?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1];
  return folder === undefined ? [] : [folder];
}

async function readPackage(project: string, folder: string): Promise<BundledPackage> {
  const { name, version, license, licenses } = Manifest.parse(
    JSON.parse(await readFile(join(project, folder, 'package.json'), 'utf8')),
  );
  const stated = license ?? licenses?.[0] ?? 'none';
  return { folder, name, version, licence: typeof stated === 'string' ? stated : stated.type };
}
