import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createLogger } from '../../lib/process/logger.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { HostKeyFolder } from './host-key-folder.ts';

const WAIT = { timeout: 20_000 };
const [first, second] = [PrivateKey.generateEd25519(), PrivateKey.generateEd25519()];

async function newFolder() {
  const path = await mkdtemp(join(tmpdir(), 'host-keys-'));
  onTestFinished(() => rm(path, { recursive: true }));
  const lines: string[] = [];
  const log = createLogger('test', { write: (line) => lines.push(line) });
  const folder = new HostKeyFolder(path, log);
  const write = (name: string, text: string) => writeFile(join(path, name), text);
  return { path, folder, lines, write };
}

const shown = (folder: HostKeyFolder) => folder.keys.map(({ publicKey }) => publicKey.fingerprint);
const expected = (...keys: PrivateKey[]) => keys.map(({ publicKey }) => publicKey.fingerprint);

test('they are the files whose names end in host-key, in the order of the names, each key once', async () => {
  const { folder, write } = await newFolder();
  await expect(folder.load()).rejects.toThrow('host-key');
  await write('ed25519.2-host-key', second.toOpenSsh());
  await write('ed25519-host-key', first.toOpenSsh());
  await write('ed25519.1-host-key', first.toOpenSsh());
  await write('ed25519-host-key.pub', first.publicKey.toLine());
  await folder.load();
  expect(shown(folder)).toEqual(expected(first, second));
  await write('broken-host-key', 'x');
  await expect(folder.load()).rejects.toThrow('broken-host-key');
});

test('a change of the mounted Secret is taken; what cannot be used changes nothing, and is said once', async () => {
  const { path, folder, lines } = await newFolder();
  // As the kubelet does: a new folder, and a link renamed onto `..data`.
  const publish = async (version: string, files: Record<string, string>): Promise<void> => {
    await mkdir(join(path, version));
    for (const [name, text] of Object.entries(files)) await writeFile(join(path, version, name), text);
    await symlink(version, join(path, '..data_tmp'));
    await rename(join(path, '..data_tmp'), join(path, '..data'));
  };
  await publish('..1', { 'a-host-key': first.toOpenSsh() });
  await folder.load();
  const stop = new AbortController();
  const following = folder.follow(stop.signal);
  await publish('..2', { 'a-host-key': first.toOpenSsh(), 'b-host-key': second.toOpenSsh() });
  await expect.poll(() => shown(folder), WAIT).toEqual(expected(first, second));
  await publish('..3', { 'a-host-key': 'pasted wrongly' });
  await expect.poll(() => lines.filter((line) => line.includes('cannot be used')).length, WAIT).toBe(1);
  await publish('..4', {});
  await expect.poll(() => lines.filter((line) => line.includes('cannot be used')).length, WAIT).toBe(2);
  expect(shown(folder)).toEqual(expected(first, second));
  await publish('..5', { 'b-host-key': second.toOpenSsh() });
  await expect.poll(() => shown(folder), WAIT).toEqual(expected(second));
  expect(lines.join()).not.toContain('PRIVATE');
  stop.abort();
  await following;
}, 120_000);
