/** Compiles the helper from these sources, for tests and for the image: the one place that knows how. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

const sourceFolder = join(import.meta.dirname, '..');
const cacheFolder = join(sourceFolder, '../../.local/enter');

/** Static, because it runs beside foreign root file systems; strict, because it runs with privileges. */
export const enterFlags = [
  '-O2 -s -static -std=gnu11 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fno-strict-aliasing',
  '-Wall -Wextra -Werror -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes',
].flatMap((words) => words.split(' '));

/** Every C source and header of the helper, sorted. */
export async function enterSources(): Promise<string[]> {
  const files = await readdir(sourceFolder, { recursive: true });
  return files
    .filter((file) => /\.[ch]$/.test(file) && !file.includes('testing/'))
    .toSorted()
    .map((file) => join(sourceFolder, file));
}

/** Compiles the helper once for each version of its sources; answers the program's path. */
export async function buildEnter(): Promise<string> {
  return compile('enter', await enterSources());
}

/** Compiles the container of `pod.ts`, which takes its options and its identity as the helper does. */
export async function buildContainer(): Promise<string> {
  const sources = (await enterSources()).filter(
    (source) => dirname(source) === sourceFolder && /\b(capabilities|fail|identity|options)\.c$|\.h$/.test(source),
  );
  return compile('container', [...sources, join(import.meta.dirname, 'container.c')]);
}

async function compile(name: string, sources: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([process.arch, enterFlags]));
  for (const source of sources) hash.update(`\0${basename(source)}\0`).update(await readFile(source));
  const program = join(cacheFolder, hash.digest('hex').slice(0, 16), name);
  if (existsSync(program)) return program;
  await mkdir(dirname(program), { recursive: true });
  // Renamed into place: another test process never executes half a program.
  const partial = `${program}.${process.pid}`;
  const compiled = sources.filter((source) => source.endsWith('.c'));
  await promisify(execFile)('gcc', [...enterFlags, '-I', sourceFolder, '-o', partial, ...compiled], {
    timeout: 300_000,
  });
  await rename(partial, program);
  return program;
}
