import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheFolder, fingerprint } from '../../scripts/machine/cache.ts';
import { run } from '../../scripts/machine/command.ts';

/** Compiles a folder of Go, once for each version of its files, outside of the repository; answers the program's path. */
export async function goProgram(name: string, folder: string): Promise<string> {
  const sources = await Promise.all((await readdir(folder)).toSorted().map((file) => readFile(join(folder, file))));
  const program = join(cacheFolder(), `${name}-${fingerprint(process.arch, ...sources)}`, name);
  if (existsSync(program)) return program;
  await mkdir(dirname(program), { recursive: true });
  // Renamed into place: another test process never executes half a program.
  const partial = `${program}.${process.pid}`;
  await run('go', ['build', '-trimpath', '-o', partial, '.'], { cwd: folder, env: { CGO_ENABLED: '0' } });
  await rename(partial, program);
  return program;
}
