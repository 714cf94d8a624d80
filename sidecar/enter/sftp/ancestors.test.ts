/** What leads to the directories of a confined session, and how one begins. */
import { symlink } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { jailedClient } from './testing/jailed.ts';
import { startRaw, type ServerOptions } from './testing/raw-client.ts';
import type { Reply } from './testing/replies.ts';
import { statuses } from './testing/statuses.ts';
import { attributes, flags, initPacket, string, u32 } from './testing/wire.ts';

type Client = Awaited<ReturnType<typeof jailedClient>>;

const ANCESTOR = { size: 0n, owner: [0, 0], permissions: 0o40555, times: [0, 0] };

async function list(client: Client, path: string): Promise<Reply> {
  const handle = await client.handle('opendir', string(path));
  const reply = await client.request('readdir', handle);
  expect(await client.request('readdir', handle)).toMatchObject(statuses.endOfFile);
  expect(await client.request('fstat', handle)).toMatchObject(statuses.failure);
  expect(await client.request('close', handle)).toMatchObject(statuses.ok);
  return reply;
}

test('from / a client walks to every directory, and sees nothing else', async () => {
  const client = await jailedClient();
  const components = client.folder.split('/').slice(1);
  let path = '/';
  for (const component of components) {
    expect(await client.request('stat', string(path))).toMatchObject({ attributes: ANCESTOR });
    expect(await client.request('lstat', string(path))).toMatchObject({ attributes: ANCESTOR });
    expect(await list(client, path)).toMatchObject({ names: [{ name: component, attributes: ANCESTOR }] });
    path = `${path}${path === '/' ? '' : '/'}${component}`;
  }
  // The directories themselves are shown as they are.
  expect(await list(client, client.folder)).toMatchObject({
    names: [
      { name: 'jail', longName: expect.stringMatching(/^drwx/), attributes: { permissions: 0o40755 } },
      { name: 'second', attributes: { permissions: 0o40755 } },
    ],
  });
});

test('directories that share a way are listed once, a directory in another not at all', async () => {
  const client = await jailedClient({
    directories: ['a/b/c', 'a/b/d', 'a/e', 'a/e/f'],
    before: 'mkdir -p a/b/c a/b/d a/e/f && chmod 700 a/e',
  });
  const names = async (path: string) => {
    const reply = await list(client, client.at(path));
    return reply.type === 'name' ? reply.names.map(({ name, attributes: { permissions } }) => [name, permissions]) : [];
  };
  expect(await names('a')).toEqual([
    ['b', 0o40555],
    ['e', 0o40700],
  ]);
  expect(await names('a/b')).toEqual([
    ['c', 0o40755],
    ['d', 0o40755],
  ]);
  expect((await names('a/e')).map(([name]) => name)).toEqual(['.', 'f']);
});

test('what leads there can be neither opened nor changed', async () => {
  // Only what is ours, here and below: a server that fails this test must not harm the machine.
  const client = await jailedClient({
    directories: ['a/b/c'],
    before: 'mkdir -p a/b/c',
  });
  for (const path of [client.at('a'), client.at('a/b'), '..', '../..']) {
    const { opendir, stat, ...followed } = await client.follow(path);
    const { lstat, ...named } = await client.name(path);
    expect([opendir, stat, lstat]).toEqual(['handle', 'attributes', 'attributes']);
    expect(new Set(Object.values({ ...followed, ...named }))).toEqual(new Set([statuses.permissionDenied.code]));
  }
  expect(await client.request('open', string('/'), u32(flags.read), attributes())).toMatchObject(
    statuses.permissionDenied,
  );
  expect(await client.untouched()).toBe(true);
});

test('outside, what exists and what does not are answered alike, byte for byte', async () => {
  const client = await jailedClient();
  await symlink('../outside', client.at('jail/link'));
  const answers = async (path: string) => {
    const replies = [
      await client.request('stat', string(path)),
      await client.request('lstat', string(path)),
      await client.request('opendir', string(path)),
      await client.request('open', string(path), u32(flags.read), attributes()),
      await client.request('readlink', string(path)),
      await client.request('rename', string(path), string('x')),
      await client.request('rename', string('missing'), string(path)),
      await client.extended('statvfs@openssh.com', string(path)),
      await client.extended('hardlink@openssh.com', string(path), string('x')),
    ];
    return replies.map((reply) => ({ ...reply, id: 0 }));
  };
  const outside = client.at('outside');
  for (const folder of [outside, '../outside', 'link', `/proc/self/root${outside}`, `/proc/1/root${outside}`])
    expect(await answers(`${folder}/secret`)).toEqual(await answers(`${folder}/no-such-file/x`));
  expect(await client.untouched()).toBe(true);
});

test.each([
  ['', 'jail'],
  ['.', 'jail'],
  ['sub/../file', 'jail/file'],
  ['../second/x', 'second/x'],
  ['..', '.'],
  ['link/..', 'jail'],
  ['link/passwd', 'jail/link/passwd'],
  ['missing/x/', 'jail/missing/x'],
])('REALPATH of %j is the text %j, whatever is there', async (path, expected) => {
  const client = await jailedClient();
  await symlink('/etc', client.at('jail/link'));
  const name = expected === '.' ? client.folder : client.at(expected);
  expect(await client.request('realpath', string(path))).toMatchObject({ names: [{ name, attributes: {} }] });
  expect(await client.extended('expand-path@openssh.com', string(path))).toMatchObject({ names: [{ name }] });
});

test('REALPATH outside is text as well; ~ and the home are the first directory', async () => {
  const client = await jailedClient({ environment: { HOME: '/etc', USER: 'ann' } });
  for (const path of ['/', '/etc/passwd', '/etc/no-such-file', '/proc/self/root'])
    expect(await client.request('realpath', string(path))).toMatchObject({ names: [{ name: path }] });
  expect(await client.request('realpath', string('../'.repeat(99)))).toMatchObject({ names: [{ name: '/' }] });
  const home = { names: [{ name: client.at('jail') }] };
  expect(await client.extended('expand-path@openssh.com', string('~'))).toMatchObject(home);
  expect(await client.extended('home-directory', string(''))).toMatchObject(home);
  expect(await client.extended('home-directory', string('ann'))).toMatchObject(home);
  expect(await client.extended('expand-path@openssh.com', string('~root'))).toMatchObject({ code: 2 });
  expect(await client.request('realpath', string('x'.repeat(4096)))).toMatchObject(statuses.badMessage);
});

test('paths of every length and form are the kernel’s to judge', async () => {
  const client = await jailedClient();
  for (const [path, expected] of [
    ['', statuses.noSuchFile],
    ['x'.repeat(256), statuses.badMessage],
    [`${'a/'.repeat(1500)}x`, statuses.noSuchFile],
    ['a/'.repeat(3000), statuses.badMessage],
    ['file/x', statuses.noSuchFile],
  ] as const) {
    expect(await client.request('stat', string(path))).toMatchObject(expected);
    expect(await client.request('mkdir', string(path), attributes())).toMatchObject(expected);
  }
});

describe('a session ends at once, with a sentence,', () => {
  const ending = async (options: ServerOptions) => {
    const server = await startRaw(options);
    server.send(initPacket());
    expect(await server.next()).toBeUndefined();
    return server.end();
  };

  test('if none of its directories can be opened', async () => {
    const { code, complaint } = await ending({ directories: ['missing', 'gone'] });
    expect(code).toBe(1);
    expect(complaint).toMatch(
      /^sftp: none of the directories of this session can be opened; \/.*\/missing: No such file or directory\n$/,
    );
  });

  test('if a symbolic link leads to its directory: who may change the link would choose the directory', async () => {
    for (const directory of ['link', 'link/below']) {
      const { code, complaint } = await ending({
        directories: [directory],
        before: 'mkdir -p real/below && ln -s real link',
      });
      expect(code).toBe(1);
      expect(complaint).toMatch(/there is a symbolic link in the path, name the directory itself\n$/);
    }
  });

  test('if the kernel does not have, or permit, openat2', async () => {
    const environment = { SFTP_REFUSE: 'openat2' };
    expect(await ending({ directories: ['jail'], before: 'mkdir jail', environment })).toMatchObject({
      code: 1,
      complaint: 'sftp: cannot confine the session to its directories: it needs openat2(2), of Linux 5.6, permitted\n',
    });
  });
});
