import { join } from 'node:path';
import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { attempt } from '../machine/command.ts';
import { projectFolder } from '../places.ts';
import type { BundledPackage } from './packages.ts';

type Component = {
  type: 'library' | 'application';
  name: string;
  version?: string;
  purl?: string;
  licenses: { license: { id: string } }[];
};

const Own = z.object({ version: z.string(), license: z.string() });

/**
 * A bill of materials in CycloneDX 1.6: what is in a bundle, and what lies beside it. The same sources give the same text, so it
 * has neither a time nor a serial number. The base image has a bill of its own.
 */
export async function billOfMaterials(
  name: string,
  packages: readonly BundledPackage[],
  beside: readonly Component[] = [],
): Promise<string> {
  const { version, license } = Own.parse(JSON.parse(await readFile(join(projectFolder, 'package.json'), 'utf8')));
  const bill = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: { type: 'application', name, version, licenses: [{ license: { id: license } }] } },
    components: [...packages.map(ofNpm), ...beside],
  };
  return `${JSON.stringify(bill, undefined, 2)}\n`;
}

const ofNpm = ({ name, version, licence }: BundledPackage): Component => ({
  type: 'library',
  name,
  version,
  purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
  licenses: [{ license: { id: licence } }],
});

/** What the sidecar's image has besides: a shell for images without one, and the C library in our helper. */
export async function toolsOfSidecar(): Promise<Component[]> {
  return [
    {
      type: 'application',
      name: 'busybox',
      ...(await debian('busybox-static')),
      licenses: [{ license: { id: 'GPL-2.0-only' } }],
    },
    {
      type: 'library',
      name: 'glibc',
      ...(await debian('libc6-dev')),
      licenses: [{ license: { id: 'LGPL-2.1-or-later' } }],
    },
  ];
}

/** Elsewhere than on Debian nobody can be asked. */
async function debian(name: string): Promise<Pick<Component, 'version' | 'purl'>> {
  const asked = ['--show', '--showformat', '${source:Package} ${Version}', name];
  const { code, stdout } = await attempt('dpkg-query', asked).catch(() => ({ code: 1, stdout: '' }));
  const [source = name, version] = stdout.split(' ');
  if (code !== 0 || version === undefined) return {};
  return { version, purl: `pkg:deb/debian/${source}@${encodeURIComponent(version)}` };
}
