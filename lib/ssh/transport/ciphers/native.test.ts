import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, expect, test } from 'vitest';
import { temporaryDirectory } from '../../testing/openssh.ts';
import { checkAddon, nativeGcm } from './native.ts';

const directory = temporaryDirectory();
afterAll(() => directory.remove());

const source = import.meta.dirname;
const program = `
  import { gcmSealer } from '${source}/gcm.ts';
  import { nativeCiphersAvailable, nativeCiphersProblem } from '${source}/native.ts';
  gcmSealer('aes-128-gcm', { key: Buffer.alloc(16), iv: Buffer.alloc(12), macKey: Buffer.alloc(0) });
  console.log(nativeCiphersAvailable ? 'native' : nativeCiphersProblem);
`;

test('the addon loads unbuilt', () => {
  const path = join(directory.path, 'unbuilt.mts');
  writeFileSync(path, program);
  expect(execFileSync(process.execPath, [path], { encoding: 'utf8' })).toBe('native\n');
});

test('the addon loads from a bundle, far from any node_modules', async () => {
  const output = join(directory.path, 'bundle');
  mkdirSync(output);
  await build({
    stdin: { contents: program, resolveDir: source, loader: 'ts' },
    outfile: join(output, 'main.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    minifySyntax: true,
    loader: { '.node': 'copy' },
    // What scripts/build.ts gives every bundle: CommonJS packages need it anyway.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  });
  const run = execFileSync(process.execPath, [join(output, 'main.mjs')], { encoding: 'utf8', cwd: output });
  expect(run).toBe('native\n');
});

test('an addon without the mark of our build is refused, and so is anything else', () => {
  const { AESGCMCipher, AESGCMDecipher } = nativeGcm ?? {};
  expect(AESGCMCipher).toBeDefined();
  expect(() => checkAddon({ AESGCMCipher, AESGCMDecipher })).toThrow('run npm ci again');
  expect(() => checkAddon({ AESGCMCipher, sshaccess: 1 })).toThrow('AES-GCM classes');
  expect(() => checkAddon(undefined)).toThrow('AES-GCM classes');
});

// With ssh2's own addon Node 24.21 aborts in the first second: here the collector runs between two microtasks, where no
// context is entered. It is a process of its own because an abort ends it. Retained objects would cost 425 bytes each.
test('hundreds of thousands of ciphers come and go: no abort, no memory', { timeout: 120_000 }, () => {
  const path = join(directory.path, 'churn.mts');
  writeFileSync(
    path,
    `import { gcmOpener, gcmSealer } from '${source}/gcm.ts';
     import { nativeCiphersAvailable } from '${source}/native.ts';
     const keys = { key: Buffer.alloc(16), iv: Buffer.alloc(12), macKey: Buffer.alloc(0) };
     async function churn(pairs) {
       for (let count = 0; count < pairs; count++) {
         gcmSealer('aes-128-gcm', keys).release();
         gcmOpener('aes-128-gcm', keys).release();
         await null;
       }
       gc();
     }
     await churn(20_000);
     const before = process.memoryUsage.rss();
     await churn(200_000);
     const grown = Math.round((process.memoryUsage.rss() - before) / 2 ** 20);
     console.log(JSON.stringify({ nativeCiphersAvailable, grown }));`,
  );
  const run = spawnSync(process.execPath, ['--expose-gc', path], { encoding: 'utf8' });
  expect(run.stderr).toBe('');
  expect(run.signal).toBeNull();
  const { nativeCiphersAvailable, grown } = JSON.parse(run.stdout);
  expect(nativeCiphersAvailable).toBe(true);
  // MiB; 162 if all were kept.
  expect(grown).toBeLessThan(24);
});
