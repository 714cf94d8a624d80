import { existsSync } from 'node:fs';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ensurePackages } from './apt.ts';
import { cacheFolder, fingerprint } from './cache.ts';
import { run } from './command.ts';

const flags = ['-O2', '-s', '-static', '-Wall', '-Wextra', '-Werror'];

/** Compiles C sources into one static program, once for each version of the sources; answers its path. */
export async function staticProgram(name: string, sources: readonly string[]): Promise<string> {
  const texts = await Promise.all(sources.map((source) => readFile(source)));
  const program = join(cacheFolder(), `${name}-${fingerprint(process.arch, ...flags, ...texts)}`, name);
  if (existsSync(program)) return program;
  await ensurePackages(['gcc', 'libc6-dev']);
  await mkdir(dirname(program), { recursive: true });
  // Renamed into place: a second process never sees half a program.
  const partial = `${program}.${process.pid}`;
  const compiled = sources.filter((source) => basename(source).endsWith('.c'));
  await run('gcc', [...flags, '-o', partial, ...compiled]);
  await rename(partial, program);
  return program;
}
