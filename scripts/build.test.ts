import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { buildEnter, enterFlags, enterSources } from '../sidecar/enter/testing/build-enter.ts';
import { bundleProgram, isDynamic, programs } from './build.ts';
import { run } from './machine/command.ts';
import { projectFolder } from './places.ts';

/** A 64-bit ELF header with program headers of these types. */
function elf(...types: readonly number[]): Buffer {
  const program = Buffer.alloc(64 + types.length * 56);
  program.writeUInt32BE(0x7f454c46, 0);
  program.writeUInt8(2, 4);
  program.writeBigUInt64LE(64n, 32);
  program.writeUInt16LE(56, 54);
  program.writeUInt16LE(types.length, 56);
  types.forEach((type, index) => program.writeUInt32LE(type, 64 + index * 56));
  return program;
}

test('a program that names a loader is dynamic', () => {
  expect(isDynamic(elf(6, 3, 1))).toBe(true);
  expect(isDynamic(readFileSync(process.execPath))).toBe(true);
});

test('one that names none is static', () => {
  expect(isDynamic(elf(1, 1, 7))).toBe(false);
});

test('what is no program at all is not taken for a static one', () => {
  expect(isDynamic(Buffer.from('#!/bin/sh\nexit 0\n'.padEnd(100, '#')))).toBe(true);
});

const Lock = z.object({
  packages: z.record(z.string(), z.object({ dev: z.boolean().optional(), optional: z.boolean().optional() })),
});

/** Everything that bundles can be made of, elsewhere: sources, and the packages that are not for development only. */
async function copyOfProject(): Promise<string> {
  const copy = await temporaryFolder();
  const { packages } = Lock.parse(JSON.parse(await readFile(join(projectFolder, 'package-lock.json'), 'utf8')));
  const needed = Object.entries(packages).flatMap(([folder, { dev = false, optional = false }]) =>
    folder === '' || dev || optional ? [] : [folder],
  );
  for (const path of [...programs, 'crds', 'lib', 'package.json', 'tsconfig.base.json', ...needed])
    await cp(join(projectFolder, path), join(copy, path), { recursive: true });
  return copy;
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sshaccess-elsewhere-with-a-longer-name-'));
  // Thousands of files: on a loaded machine that takes longer than the ten seconds of a hook.
  onTestFinished(() => rm(folder, { recursive: true }), 120_000);
  return folder;
}

async function contents(folder: string): Promise<Record<string, string>> {
  const files = (await readdir(folder)).toSorted();
  const hashes = files.map(async (file) => [file, hashOf(await readFile(join(folder, file)))]);
  return Object.fromEntries(await Promise.all(hashes));
}

const hashOf = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

test('bundles are the same bytes, wherever their sources are', { timeout: 300_000 }, async () => {
  const [copy, output] = [await copyOfProject(), await temporaryFolder()];
  for (const program of programs) {
    const [here, elsewhere] = [join(output, 'here', program), join(output, 'elsewhere', program)];
    await bundleProgram(program, { project: projectFolder, output: here });
    await bundleProgram(program, { project: copy, output: elsewhere });
    expect(await contents(here), program).not.toEqual({});
    expect(await contents(elsewhere), program).toEqual(await contents(here));
  }
});

test('a piper that sends no traces loads nothing of what sends them', { timeout: 120_000 }, async () => {
  const output = await temporaryFolder();
  await bundleProgram('piper', { project: projectFolder, output });
  const code = async (file: string): Promise<string> => await readFile(join(output, file), 'utf8');
  const loaded = new Set(['main.mjs']);
  for (const file of loaded)
    for (const [, chunk = ''] of (await code(file)).matchAll(/(?:from|import)\s*"\.\/([\w-]+\.mjs)"/g))
      loaded.add(chunk);
  const all = (await readdir(output)).filter((file) => file.endsWith('.mjs'));
  const senders = await Promise.all(
    all.map(async (file) => ((await code(file)).includes('resourceSpans') ? [file] : [])),
  );
  expect(loaded.size).toBeGreaterThan(1);
  expect(senders.flat()).not.toEqual([]);
  expect(senders.flat().filter((file) => loaded.has(file))).toEqual([]);
});

test('a sidecar that serves no metrics loads nothing of what serves them', { timeout: 120_000 }, async () => {
  const output = await temporaryFolder();
  await bundleProgram('sidecar', { project: projectFolder, output });
  const code = await readFile(join(output, 'main.cjs'), 'utf8');
  // esbuild puts what is imported on demand into functions, each under the name of its file.
  for (const file of ['sidecar/metrics.ts', 'lib/process/health.ts', 'lib/process/http-server.ts'])
    expect(code).toMatch(new RegExp(`__esm\\(\\{"${file}"\\(\\)\\{`));
  expect(code.match(/"use strict";init_http_server\(\)/g)).toHaveLength(1);
  expect(code).not.toContain('require("node:http")');
});

test('the helper is the same bytes, wherever its sources are', { timeout: 120_000 }, async () => {
  const copy = await temporaryFolder();
  const here = join(projectFolder, 'sidecar/enter');
  await cp(here, copy, { recursive: true });
  const sources = (await enterSources()).map((path) => join(copy, relative(here, path)));
  const compiled = sources.filter((path) => path.endsWith('.c'));
  await run('gcc', [...enterFlags, '-I', copy, '-o', join(copy, 'enter'), ...compiled]);
  expect(hashOf(await readFile(join(copy, 'enter')))).toBe(hashOf(await readFile(await buildEnter())));
});
