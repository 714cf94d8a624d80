import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const sources = ['main.go', 'go.mod', 'go.sum'];

export const buildGoPeer = (): Promise<string> => buildGoProgram('go-peer', import.meta.dirname);

/**
 * Compiles a program that uses Go's SSH, once for each version of its sources, outside of the repository; answers the
 * program's path.
 */
export async function buildGoProgram(name: string, source: string): Promise<string> {
  const hash = createHash('sha256').update(process.arch);
  for (const file of sources) hash.update(`\0${file}\0`).update(await readFile(join(source, file)));
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'sshaccess');
  const program = join(cache, `${name}-${hash.digest('hex').slice(0, 16)}`, name);
  if (existsSync(program)) return program;
  await mkdir(join(program, '..'), { recursive: true });
  // Renamed into place: another process never executes half a program.
  const partial = `${program}.${process.pid}`;
  await compile(source, partial);
  await rename(partial, program);
  return program;
}

async function compile(source: string, output: string): Promise<void> {
  try {
    await promisify(execFile)('go', ['build', '-trimpath', '-o', output, '.'], {
      cwd: source,
      env: { ...process.env, CGO_ENABLED: '0' },
      timeout: 300_000,
    });
  } catch (cause) {
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    throw new Error(
      isMissing
        ? "go is missing, and Go's SSH is what talks to ours here: install Go (https://go.dev/dl)"
        : "Go's SSH could not be built as a peer: are golang.org/x/crypto and a Go that can build it within reach?",
      { cause },
    );
  }
}
