import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, expect, test } from 'vitest';
import { temporaryDirectory } from '../../testing/openssh.ts';

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

// What brought retainNative() about: without it Node 24.21 aborts within the first seconds of this program.
test('thousands of ciphers come and go without the process being aborted', { timeout: 60_000 }, () => {
  const path = join(directory.path, 'churn.mts');
  writeFileSync(
    path,
    `import { gcmOpener, gcmSealer } from '${source}/gcm.ts';
     const keys = { key: Buffer.alloc(16), iv: Buffer.alloc(12), macKey: Buffer.alloc(0) };
     for (let round = 0; round < 150; round++) {
       for (let count = 0; count < 1000; count++) {
         gcmSealer('aes-128-gcm', keys).release();
         gcmOpener('aes-128-gcm', keys).release();
       }
       // The collector runs outside of JavaScript here, which is when it happened.
       await new Promise((resolve) => setTimeout(resolve, 5));
     }
     console.log('alive');`,
  );
  expect(execFileSync(process.execPath, [path], { encoding: 'utf8' })).toBe('alive\n');
});
