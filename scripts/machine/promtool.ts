import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { programPath } from './apt.ts';
import { cacheFolder } from './cache.ts';
import { run } from './command.ts';
import { SetupError } from './errors.ts';
import { step } from './progress.ts';

/**
 * Prometheus' own checker of rules: that of the PATH, or the one out of Debian's package, which is not installed, since
 * that would start a server. @returns its path
 */
export async function promtool(): Promise<string> {
  const installed = programPath('promtool');
  if (installed !== undefined) return installed;
  const folder = join(cacheFolder(), `promtool-${process.arch}`);
  const path = join(folder, 'promtool');
  if (existsSync(path)) return path;
  if (programPath('apt-get') === undefined)
    throw new SetupError(
      'PACKAGES_MISSING',
      'there is no promtool on the PATH; install Prometheus (https://prometheus.io/download)',
    );
  await step('promtool, out of the Debian package prometheus (19 MB, once)', () => unpack(folder, path));
  return path;
}

async function unpack(folder: string, path: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  // Renamed into place: whoever looks while this runs never sees half a program.
  const partial = await mkdtemp(join(folder, 'partial-'));
  try {
    await download(partial);
    const [archive = ''] = (await readdir(partial)).filter((name) => name.endsWith('.deb'));
    await run('dpkg-deb', ['--extract', join(partial, archive), partial]);
    await chmod(join(partial, 'usr/bin/promtool'), 0o755);
    await rename(join(partial, 'usr/bin/promtool'), path);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

async function download(folder: string): Promise<void> {
  const fetch = () => run('apt-get', ['download', 'prometheus'], { cwd: folder });
  try {
    await fetch();
  } catch {
    // Fresh machines have no package lists, old ones name versions that are gone: both cured by an update.
    await run('apt-get', ['update']);
    await fetch();
  }
}
