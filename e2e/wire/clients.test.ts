/** Clients that have neither AES-GCM nor a MAC over the ciphertext, through the real piper: e2e/clients has all others. */
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensurePackages } from '../../scripts/machine/apt.ts';
import { run, succeed } from '../support/process.ts';
import { startStack, type Stack } from './stack.ts';

let stack: Stack;
beforeAll(async () => {
  await ensurePackages(['dropbear-bin', 'curl']);
  stack = await startStack();
}, 300_000);
afterAll(() => stack?.stop());

test('dbclient: a command, with more input and output than a packet has', async () => {
  const key = join(stack.folder, 'key.db');
  await succeed(['dropbearconvert', 'openssh', 'dropbear', stack.root.keyFile, key]);
  const login = ['-y', '-y', '-i', key, '-p', String(stack.port), '-l', stack.root.username];
  const input = randomBytes(500_000).toString('hex');
  const { stdout, code } = await run(['dbclient', ...login, '127.0.0.1', 'cat; exit 3'], { input });
  expect(code).toBe(3);
  expect(stdout === input).toBe(true);
});

test('curl: a file there and back by sftp', async () => {
  const { keyFile, username } = stack.root;
  const file = join(stack.folder, 'file');
  await writeFile(`${keyFile}.pub`, `${stack.keys.root.publicKey.toLine()}\n`);
  await writeFile(file, randomBytes(1_000_000));
  const login = ['--insecure', '--key', keyFile, '--pubkey', `${keyFile}.pub`, '--user', `${username}:`];
  const url = `sftp://127.0.0.1:${stack.port}${stack.remote}/file`;
  await succeed(['curl', '-sS', ...login, '-T', file, url]);
  await succeed(['curl', '-sS', ...login, '-o', `${file}.back`, url]);
  expect((await readFile(`${file}.back`)).equals(await readFile(file))).toBe(true);
});
