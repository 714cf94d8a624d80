import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { localFolder, projectFolder } from './places.ts';

const TESTS = `
import { expect, test } from 'vitest';
let tries = 0;
test('at once', () => undefined);
test('in the end', () => {
  tries += 1;
  expect({ tries, noise: 'x'.repeat(1000) }, 'counted').toMatchObject({ tries: 2 });
});
`;

test('a test that passes at its second try is named, with what its first one said, bounded and without colours', () => {
  // Inside the project, or the file finds no vitest.
  mkdirSync(localFolder, { recursive: true });
  const root = mkdtempSync(join(localFolder, 'second-tries-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  writeFileSync(join(root, 'tries.test.ts'), TESTS);
  const vitest = join(projectFolder, 'node_modules/vitest/vitest.mjs');
  const reporter = join(projectFolder, 'scripts/second-tries.ts');
  // Without one of its own it would be one of the project's.
  writeFileSync(join(root, 'vitest.config.ts'), 'export default {};');
  const options = ['run', `--root=${root}`, '--retry=1', `--reporter=${reporter}`];
  const { stdout, status } = spawnSync(process.execPath, [vitest, ...options], {
    encoding: 'utf8',
    env: { ...process.env, FORCE_COLOR: '1' },
  });
  expect(status).toBe(0);
  const lines = stdout.trim().split('\n');
  expect(lines[0]).toBe('passed at the second try: tries.test.ts > in the end');
  expect(lines[1]).toMatch(/^ {2}the first failed after \d+\.\d s:$/);
  expect(lines[2]).toMatch(/^ {2}counted: expected \{ tries: 1/);
  expect(stdout).toContain('"tries": 2');
  expect(stdout).not.toContain('\u001b');
  expect(stdout).not.toContain('at once');
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(310);
  expect(lines.length).toBeLessThan(20);
});
