import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildEnter } from '../testing/build-enter.ts';
import { type ServerOptions, startClient } from './testing/raw-client.ts';
import type { Reply } from './testing/replies.ts';
import { statuses } from './testing/statuses.ts';
import { attributes, flags, requests, string, u32, u64 } from './testing/wire.ts';

async function readOnlyClient(options: ServerOptions) {
  const client = await startClient({ readOnly: true, ...options });
  await writeFile(join(client.folder, 'f'), 'content');
  await chmod(join(client.folder, 'f'), 0o644);
  const file = await client.handle('open', string('f'), u32(flags.read), attributes());
  return { ...client, file };
}

type Client = Awaited<ReturnType<typeof readOnlyClient>>;

const change = attributes({ size: 0n, permissions: 0, times: [0, 0], owner: [1, 1] });

/** Every request that changes something. OPEN is in both lists: its flags decide. */
const writing: Record<string, (client: Client) => Promise<Reply>> = {
  write: ({ request, file }) => request('write', file, u64(0), string('x')),
  setstat: ({ request }) => request('setstat', string('f'), change),
  fsetstat: ({ request, file }) => request('fsetstat', file, change),
  remove: ({ request }) => request('remove', string('f')),
  mkdir: ({ request }) => request('mkdir', string('d'), attributes()),
  rmdir: ({ request }) => request('rmdir', string('d')),
  rename: ({ request }) => request('rename', string('f'), string('g')),
  symlink: ({ request }) => request('symlink', string('f'), string('g')),
  'posix-rename@openssh.com': ({ extended }) => extended('posix-rename@openssh.com', string('f'), string('g')),
  'hardlink@openssh.com': ({ extended }) => extended('hardlink@openssh.com', string('f'), string('g')),
  'lsetstat@openssh.com': ({ extended }) => extended('lsetstat@openssh.com', string('f'), change),
  'fsync@openssh.com': ({ extended, file }) => extended('fsync@openssh.com', file),
  'copy-data': ({ extended, file }) => extended('copy-data', file, u64(0), u64(0), file, u64(0)),
};

const reading: Record<string, (client: Client) => Promise<Reply>> = {
  open: ({ request }) => request('open', string('f'), u32(flags.read), attributes()),
  read: ({ request, file }) => request('read', file, u64(0), u32(9)),
  stat: ({ request }) => request('stat', string('f')),
  lstat: ({ request }) => request('lstat', string('f')),
  fstat: ({ request, file }) => request('fstat', file),
  opendir: ({ request }) => request('opendir', string('.')),
  readdir: async ({ request, handle }) => request('readdir', await handle('opendir', string('.'))),
  realpath: ({ request }) => request('realpath', string('f')),
  'statvfs@openssh.com': ({ extended }) => extended('statvfs@openssh.com', string('f')),
  'fstatvfs@openssh.com': ({ extended, file }) => extended('fstatvfs@openssh.com', file),
  'limits@openssh.com': ({ extended }) => extended('limits@openssh.com'),
  'expand-path@openssh.com': ({ extended }) => extended('expand-path@openssh.com', string('~')),
  'home-directory': ({ extended }) => extended('home-directory', string('')),
};

const extensionsOf = ({ version }: Client): string[] =>
  version?.type === 'version' ? Object.keys(version.extensions) : [];

const enter = ['run', '--uid', '0', '--gid', '0', '--builtin', 'sftp'];

describe.each<[string, () => Promise<ServerOptions>]>([
  ['the server', async () => ({})],
  ['the server, confined', async () => ({ directories: ['.'] })],
  ['enter run', async () => ({ program: [await buildEnter(), ...enter], directories: ['.'] })],
])('%s, read-only,', (_, options) => {
  const start = async () => readOnlyClient(await options());

  test('refuses every request that would write, and changes nothing', async () => {
    const client = await start();
    if (client.version === undefined) throw new Error((await client.end()).complaint);
    const before = await stat(join(client.folder, 'f'));
    for (const [name, ask] of Object.entries(writing))
      expect(await ask(client), name).toMatchObject(statuses.permissionDenied);
    expect(await readdir(client.folder)).toEqual(['f']);
    expect(await readFile(join(client.folder, 'f'), 'utf8')).toBe('content');
    const { mode, mtimeMs, ctimeMs, uid, nlink } = await stat(join(client.folder, 'f'));
    expect([mode, mtimeMs, ctimeMs, uid, nlink]).toEqual([
      before.mode,
      before.mtimeMs,
      before.ctimeMs,
      before.uid,
      before.nlink,
    ]);
  }, 120_000);

  test('opens a file with those flags only that change nothing', async () => {
    const client = await start();
    const { write, create, truncate } = flags;
    // Bits beyond those of version 3 mean nothing.
    for (const wanted of [...Array(64).keys(), 0xffffffc1, 0x41]) {
      for (const name of wanted & create ? ['f', 'new'] : ['f']) {
        const reply = await client.request('open', string(name), u32(wanted), attributes());
        if (wanted & (write | create | truncate)) expect(reply, `${wanted}`).toMatchObject(statuses.permissionDenied);
        else if (reply.type === 'handle') await client.request('close', string(reply.handle));
        else throw new Error(`flags ${wanted}: ${JSON.stringify(reply)}`);
      }
    }
    expect(await readdir(client.folder)).toEqual(['f']);
    expect(await readFile(join(client.folder, 'f'), 'utf8')).toBe('content');
  });

  test('serves everything that only reads', async () => {
    const client = await start();
    for (const [name, ask] of Object.entries(reading)) expect((await ask(client)).type, name).not.toBe('status');
    expect(await client.request('close', client.file)).toMatchObject(statuses.ok);
  });

  test('offers no extension that writes', async () => {
    const client = await start();
    expect(extensionsOf(client).toSorted()).toEqual(
      Object.keys(reading)
        .filter((name) => name.includes('-') || name.includes('@'))
        .toSorted(),
    );
  });
});

test('there is no request but those that are tested here', async () => {
  const tested = new Set([...Object.keys(writing), ...Object.keys(reading), 'init', 'close', 'readlink', 'extended']);
  const client = await readOnlyClient({ readOnly: false });
  for (const name of [...Object.keys(requests), ...extensionsOf(client)]) expect(tested).toContain(name);
});

test('a write with nothing in it, even malformed, is refused like any other', async () => {
  const { request } = await readOnlyClient({});
  expect(await request('write')).toMatchObject(statuses.permissionDenied);
});
