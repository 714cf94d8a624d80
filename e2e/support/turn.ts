/**
 * Several e2e files at a time, where none minds: most change what all share, or count it, and run alone. A reader-writer
 * lock between the workers of vitest, held by flock(1), which the kernel releases however a worker ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { placeBesideOthers } from './beside-others.ts';

const LONGEST_WAIT_MS = 3_600_000;
let holder: ChildProcess | undefined;

beforeAll(async () => {
  const file = expect.getState().testPath ?? '';
  const mode = placeBesideOthers(file) === undefined ? '--exclusive' : '--shared';
  mkdirSync('.local', { recursive: true });
  // `cat` ends with its input, so with us.
  holder = spawn('flock', [mode, join('.local', 'e2e-turn'), 'sh', '-c', 'echo ours; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  if (holder.stdout === null) throw new Error('flock has no output');
  await Promise.race([
    once(holder.stdout, 'data'),
    once(holder, 'exit').then(([code]) => Promise.reject(new Error(`flock ended with ${String(code)}`))),
  ]);
}, LONGEST_WAIT_MS);

afterAll(async () => {
  if (holder === undefined || holder.exitCode !== null) return;
  const ended = once(holder, 'exit');
  holder.stdin?.end();
  await ended;
});
