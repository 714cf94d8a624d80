import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensurePackages } from '../../scripts/machine/apt.ts';
import { cacheFolder, fingerprint } from '../../scripts/machine/cache.ts';
import { run } from '../../scripts/machine/command.ts';
import { lock } from '../../scripts/machine/lock.ts';

const requirements = join(import.meta.dirname, 'python/requirements.txt');

/** The clients that come from PyPI, in an environment of their own, made once for each list of them; answers its folder. */
export async function pythonEnvironment(): Promise<string> {
  const id = `python-${fingerprint(process.arch, await readFile(requirements))}`;
  const folder = join(cacheFolder(), id);
  // An environment holds its own path, so it cannot be renamed into place: the last file says that it is whole.
  const whole = join(folder, 'whole');
  if (existsSync(whole)) return folder;
  const unlock = await lock(id);
  try {
    if (existsSync(whole)) return folder;
    await ensurePackages(['python3', 'python3-venv']);
    await rm(folder, { recursive: true, force: true });
    await run('python3', ['-m', 'venv', folder]);
    await run(join(folder, 'bin/pip'), ['install', '--quiet', '--requirement', requirements]);
    await writeFile(whole, '');
    return folder;
  } finally {
    await unlock();
  }
}
