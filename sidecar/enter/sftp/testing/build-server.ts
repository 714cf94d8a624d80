/** Compiles the SFTP server as a program of its own, once for each version of its sources. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const sourceFolder = join(import.meta.dirname, '..');
const cacheFolder = join(sourceFolder, '../../../.local/sftp');

const common = [
  '-std=gnu11',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-Wshadow',
  '-Wl,--wrap=renameat2,--wrap=linkat,--wrap=syscall',
];
const flags = {
  /** As the helper is built. */
  static: [...common, '-O2', '-static'],
  /** Ends with a report and a code that is not 0 at the first invalid access, undefined operation or leak. */
  sanitized: [...common, '-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
} as const;

/** Answers the program's path. */
export async function buildServer(kind: keyof typeof flags): Promise<string> {
  const names = (await readdir(sourceFolder)).filter((name) => /\.[ch]$/.test(name)).toSorted();
  const sources = [...names, 'testing/main.inc'].map((name) => join(sourceFolder, name));
  const hash = createHash('sha256').update(JSON.stringify([process.arch, flags[kind]]));
  for (const source of sources) hash.update(`\0${source}\0`).update(await readFile(source));
  const program = join(cacheFolder, hash.digest('hex').slice(0, 16), `sftp-${kind}`);
  if (existsSync(program)) return program;
  await mkdir(dirname(program), { recursive: true });
  const compiled = sources.filter((source) => !source.endsWith('.h'));
  // One test process compiles, and the others wait; renamed into place, so that nobody executes half a program.
  const script = `test -e "$0" || { gcc "$@" -o "$0.partial" && mv "$0.partial" "$0"; }`;
  const words = [`${program}.lock`, 'sh', '-c', script, program, ...flags[kind], '-x', 'c', ...compiled];
  await promisify(execFile)('flock', words, { timeout: 300_000 });
  return program;
}
