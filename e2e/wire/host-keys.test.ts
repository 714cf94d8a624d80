/** docs/rotation.md, for the gateway's own host keys: what OpenSSH's client does about it, through the real piper. */
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sshKeygen, temporaryDirectory } from '../../lib/ssh/testing/openssh.ts';
import { run } from '../support/process.ts';
import { startStack, type Stack } from './stack.ts';

const WAIT = { timeout: 30_000 };
/** The sidecar says that there is no app here; ssh has nothing to say about keys. */
const UNWARNED: unknown = expect.not.stringMatching(/host key|warning/i);
const directory = temporaryDirectory();
let stack: Stack;

beforeAll(async () => {
  stack = await startStack();
}, 180_000);
afterAll(async () => {
  await stack?.stop();
  directory.remove();
});

const inFolder = (name: string): string => join(stack.folder, 'host-keys', name);
const keysInUse = () =>
  stack.piperLog
    .filter(({ msg }) => msg === 'host keys loaded')
    .map((line) => String(line['hostKeys']).split(',').length);

/** A client with a known_hosts of its own, which it keeps up to date. */
async function client(name: string) {
  const knownHosts = join(directory.path, name);
  await copyFile(join(stack.folder, 'known_hosts'), knownHosts);
  const options = ['-o', `UserKnownHostsFile=${knownHosts}`, '-o', 'UpdateHostKeys=yes'];
  return {
    known: () => readFile(knownHosts, 'utf8'),
    run: (command: string, input: AsyncIterable<Buffer> | string = '') => {
      // Of an option that is given twice, OpenSSH takes the first.
      const where = ['-p', String(stack.port), '-l', stack.root.username, '127.0.0.1'];
      return run(['ssh', ...options, ...stack.options(stack.root), ...where, command], { input });
    },
  };
}

test('a client learns new host keys from the old, goes on when that is gone, and no session ends', async () => {
  const [updating, forgetful] = [await client('updating'), await client('forgetful')];
  const rotated = Promise.withResolvers<void>();
  async function* lines() {
    yield Buffer.from('before\n');
    await rotated.promise;
    yield Buffer.from('after\n');
  }
  const staying = updating.run('cat', lines());
  expect(await updating.run('true')).toMatchObject({ code: 0, stderr: UNWARNED });

  const next = [
    sshKeygen(directory.path, 'next', ['-t', 'ed25519']),
    sshKeygen(directory.path, 'rsa', ['-t', 'rsa', '-b', '3072']),
  ];
  for (const [index, key] of next.entries())
    await writeFile(inFolder(`ed25519.202${7 + index}-host-key`), key.privateKey);
  await expect.poll(() => keysInUse().at(-1), WAIT).toBe(3);
  const bare = (line: string): string => line.split(' ').slice(0, 2).join(' ');
  const old = stack.keys.piper.publicKey.toLine();
  // It writes them down while the session runs: one that is short may end before.
  const learned = async () => {
    expect(await updating.run('true')).toMatchObject({ code: 0, stderr: UNWARNED });
    const known = await updating.known();
    return [old, ...next.map(({ publicLine }) => bare(publicLine))].map((line) => known.includes(line));
  };
  await expect.poll(learned, WAIT).toEqual([true, true, true]);

  await rm(inFolder('ed25519-host-key'));
  await expect.poll(() => keysInUse().at(-1), WAIT).toBe(2);
  await expect.poll(learned, WAIT).toEqual([false, true, true]);
  expect(await forgetful.run('true')).toMatchObject({
    code: 255,
    stderr: expect.stringContaining('verification failed'),
  });

  rotated.resolve();
  expect(await staying).toMatchObject({ code: 0, stdout: 'before\nafter\n' });
}, 120_000);
