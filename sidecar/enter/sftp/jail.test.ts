/** A server that is confined to directories: what it does not let through, and what it does (D6). */
import { mkdir, readdir, readFile, readlink, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { jailedClient } from './testing/jailed.ts';
import { statuses } from './testing/statuses.ts';
import { attributes, flags, string, u32, u64 } from './testing/wire.ts';

const DENIED = statuses.permissionDenied.code;
const MISSING = statuses.noSuchFile.code;

type Client = Awaited<ReturnType<typeof jailedClient>>;

const everyAnswer = (answers: object): unknown[] => [...new Set(Object.values(answers))];

/** Links that lead out, made behind the server's back: through it they could be made as well. */
async function makeLinks({ folder, at }: Client): Promise<void> {
  const links = {
    relative: '../outside/secret',
    absolute: at('outside/secret'),
    chained: 'second-link',
    'second-link': 'third-link',
    'third-link': '../outside/secret',
    'relative-folder': '../outside',
    'absolute-folder': at('outside'),
    'chained-folder': 'relative-folder',
    'sub/up': '../..',
    'sub/here': '../sub/../../outside',
    root: '/proc/self/root',
    cwd: '/proc/self/cwd',
    descriptor: '/proc/self/fd/3',
    'to-second': '../second',
    back: at('jail/file'),
  };
  for (const [name, target] of Object.entries(links)) await symlink(target, join(folder, 'jail', name));
}

/** Paths to `outside/secret`, or to `outside/missing`, for a server that would go there. */
const ways: Record<string, (client: Client, name: string) => string> = {
  '..': (_, name) => `../outside/${name}`,
  '.. after names': (_, name) => `sub/../../outside/${name}`,
  'more .. than there are folders': ({ folder }, name) => `${'../'.repeat(64)}${folder}/outside/${name}`,
  'an absolute path': ({ at }, name) => at(`outside/${name}`),
  'an absolute path through the jail': ({ at }, name) => at(`jail/../outside/${name}`),
  'a name that begins like the jail': ({ at }, name) => at(`jail-${name}`),
  'a relative link to its folder': (_, name) => `relative-folder/${name}`,
  'an absolute link to its folder': (_, name) => `absolute-folder/${name}`,
  'a chain of links to its folder': (_, name) => `chained-folder/${name}`,
  'a link to ..': (_, name) => `sub/up/outside/${name}`,
  'a link with .. inside and beyond': (_, name) => `sub/here/${name}`,
  '/proc/self/root': ({ folder }, name) => `/proc/self/root${folder}/outside/${name}`,
  'a link to /proc/self/root': ({ folder }, name) => `root${folder}/outside/${name}`,
  '/proc/self/cwd': (_, name) => `/proc/self/cwd/outside/${name}`,
  'a link to /proc/self/cwd': (_, name) => `cwd/outside/${name}`,
  '/proc/self/fd and the own descriptor of the jail': (_, name) => `/proc/self/fd/3/../outside/${name}`,
  'a link to the own descriptor of the jail': (_, name) => `descriptor/../../outside/${name}`,
  '/dev/fd': (_, name) => `/dev/fd/3/../outside/${name}`,
  '~': (_, name) => `~/../../outside/${name}`,
};

test.each(Object.entries(ways))('D6: nothing leads out by %s, and nobody learns what is there', async (_, way) => {
  const client = await jailedClient();
  await makeLinks(client);
  for (const name of ['secret', 'missing']) {
    const path = way(client, name);
    expect(everyAnswer(await client.follow(path)), path).toEqual([DENIED]);
    expect(everyAnswer(await client.name(path)), path).toEqual([DENIED]);
  }
  expect(await client.untouched()).toBe(true);
});

test.each(['relative', 'absolute', 'chained', 'back'])(
  'the link %s is not followed, but is the client’s',
  async (link) => {
    const client = await jailedClient();
    await makeLinks(client);
    expect(everyAnswer(await client.follow(link))).toEqual([DENIED]);
    const target = await readlink(client.at(`jail/${link}`));
    expect(await client.request('readlink', string(link))).toMatchObject({ names: [{ name: target }] });
    expect(await client.request('lstat', string(link))).toMatchObject({ attributes: { permissions: 0o120777 } });
    expect(await client.extended('lsetstat@openssh.com', string(link), attributes({ times: [1, 2] }))).toMatchObject(
      statuses.ok,
    );
    expect(await client.extended('hardlink@openssh.com', string(link), string('copy'))).toMatchObject(statuses.ok);
    expect(await readlink(client.at('jail/copy'))).toBe(target);
    expect(await client.request('rename', string(link), string('renamed'))).toMatchObject(statuses.ok);
    expect(await client.request('remove', string('renamed'))).toMatchObject(statuses.ok);
    expect(await client.untouched()).toBe(true);
  },
);

test('a link that the client makes may say anything, and leads nowhere else', async () => {
  const client = await jailedClient();
  for (const [index, target] of ['../outside/secret', client.at('outside/secret'), '/proc/self/root'].entries()) {
    expect(await client.request('symlink', string(target), string(`link${index}`))).toMatchObject(statuses.ok);
    expect(everyAnswer(await client.follow(`link${index}`))).toEqual([DENIED]);
  }
  expect(await client.untouched()).toBe(true);
});

test('a link inside is followed, as file and on the way', async () => {
  const client = await jailedClient();
  await symlink('../file', client.at('jail/sub/link'));
  await symlink('sub', client.at('jail/folder'));
  const change = attributes({ size: 3n, permissions: 0o640, times: [1, 2], owner: [3, 4] });
  expect(await client.request('setstat', string('folder/link'), change)).toMatchObject(statuses.ok);
  expect(await client.request('stat', string('folder/link'))).toMatchObject({
    attributes: { size: 3n, permissions: 0o100640, times: [1, 2], owner: [3, 4] },
  });
  const file = await client.handle('open', string('folder/link'), u32(flags.read), attributes());
  expect(await client.request('read', file, u64(0), u32(10))).toMatchObject({ data: Buffer.from('ins') });
});

test('a slash at the end asks for a directory, also behind a link', async () => {
  const client = await jailedClient();
  await symlink('sub', client.at('jail/link'));
  await symlink('../outside', client.at('jail/out'));
  for (const request of ['stat', 'lstat'] as const) {
    expect(await client.request(request, string('link/'))).toMatchObject({ attributes: { permissions: 0o40755 } });
    expect(await client.request(request, string('file/'))).toMatchObject(statuses.noSuchFile);
    expect(await client.request(request, string('out/'))).toMatchObject(statuses.permissionDenied);
  }
  expect(await client.request('open', string('file/'), u32(flags.read), attributes())).toMatchObject(
    statuses.noSuchFile,
  );
});

test('/proc in a jail gives no magic link away', async () => {
  const client = await jailedClient({
    directories: ['/proc'],
    before: 'mkdir -p jail outside && touch outside/secret',
  });
  const links = ['self/root', 'self/cwd', 'self/exe', 'self/fd/0', 'self/fd/3', 'self/ns/mnt'];
  for (const path of [...links, `self/root${client.folder}/outside/secret`, 'self/cwd/outside/secret'])
    for (const request of ['stat', 'opendir'] as const)
      expect(await client.request(request, string(path)), path).toMatchObject({
        code: expect.toBeOneOf([DENIED, MISSING]),
      });
  expect(await client.request('stat', string('self/status'))).toMatchObject({ type: 'attributes' });
});

test('a folder that is moved out while it is open shows itself, and not what is above it', async () => {
  const client = await jailedClient();
  await writeFile(client.at('jail/sub/own'), 'own');
  const listing = await client.handle('opendir', string('sub'));
  await mkdir(client.at('elsewhere'));
  await rename(client.at('jail/sub'), client.at('elsewhere/sub'));
  const reply = await client.request('readdir', listing);
  const names = reply.type === 'name' ? reply.names.map(({ name }) => name) : [];
  expect(names.toSorted()).toEqual(['.', 'own']);
  for (const path of ['sub/own', 'sub/../../outside/secret'])
    expect(await client.request('stat', string(path))).toMatchObject({ code: path === 'sub/own' ? MISSING : DENIED });
  expect(await client.untouched()).toBe(true);
});

test('the directories themselves can be changed, but neither renamed nor removed', async () => {
  const client = await jailedClient();
  for (const path of ['.', client.at('jail'), client.at('second'), 'sub/..']) {
    const { lstat, lsetstat, ...others } = await client.name(path);
    expect([lstat, lsetstat]).toEqual(['attributes', 0]);
    expect(everyAnswer(others)).toEqual([DENIED]);
    expect(await client.request('setstat', string(path), attributes({ permissions: 0o750 }))).toMatchObject(
      statuses.ok,
    );
  }
  expect((await stat(client.at('second'))).mode & 0o777).toBe(0o750);
  expect((await readdir(client.folder)).toSorted()).toEqual(['jail', 'outside', 'second']);
});

test('everything goes on inside: files, folders, names, copies', async () => {
  const client = await jailedClient();
  const { read, write, create } = flags;
  expect(await client.request('mkdir', string('new'), attributes({ permissions: 0o700 }))).toMatchObject(statuses.ok);
  const made = await client.handle('open', string('new/f'), u32(read | write | create), attributes());
  const source = await client.handle('open', string(client.at('jail/file')), u32(read), attributes());
  const ok = [
    await client.extended('copy-data', source, u64(0), u64(0), made, u64(0)),
    await client.extended('fsync@openssh.com', made),
    await client.extended('hardlink@openssh.com', string('new/f'), string('new/g')),
    await client.request('rename', string('new/g'), string('h')),
    await client.extended('posix-rename@openssh.com', string('h'), string('file')),
    await client.request('mkdir', string('new/d/'), attributes()),
    await client.request('rmdir', string('new/./d')),
  ];
  for (const answer of ok) expect(answer).toMatchObject(statuses.ok);
  expect((await client.extended('statvfs@openssh.com', string('new'))).type).toBe('extended');
  expect(await readFile(client.at('jail/file'), 'utf8')).toBe('inside');
  expect((await readdir(client.at('jail'))).toSorted()).toEqual(['file', 'new', 'sub']);
});

describe('two directories', () => {
  test('files are renamed and linked from one to the other', async () => {
    const client = await jailedClient();
    const there = string(client.at('second/there'));
    expect(await client.request('rename', string('file'), there)).toMatchObject(statuses.ok);
    expect(await client.extended('hardlink@openssh.com', there, string('again'))).toMatchObject(statuses.ok);
    expect(await readFile(client.at('jail/again'), 'utf8')).toBe('inside');
  });

  test('a link from one to the other leads out of the one, and is refused', async () => {
    const client = await jailedClient();
    await makeLinks(client);
    expect(everyAnswer(await client.follow('to-second'))).toEqual([DENIED]);
  });

  test('on two file systems a rename says so', async () => {
    const client = await jailedClient({ directories: ['jail', '/dev/shm'] });
    expect((await stat('/dev/shm')).dev).not.toBe((await stat(client.at('jail'))).dev);
    for (const name of ['rename', 'posix-rename@openssh.com'] as const) {
      const paths = [string('file'), string(`/dev/shm/sftp-jail-${process.pid}`)];
      const answer = name === 'rename' ? client.request(name, ...paths) : client.extended(name, ...paths);
      expect(await answer).toMatchObject({ code: 4, message: 'Invalid cross-device link' });
    }
  });

  test('the innermost counts where one lies in the other', async () => {
    const client = await jailedClient({ directories: ['jail', 'jail/sub'] });
    expect(await client.request('rmdir', string('sub'))).toMatchObject(statuses.permissionDenied);
    expect(await client.request('rename', string('file'), string('sub/file'))).toMatchObject(statuses.ok);
    expect(await client.request('stat', string('sub/../sub/file'))).toMatchObject({ type: 'attributes' });
  });
});

describe('beginning', () => {
  test('a directory that is missing, or no directory, is left out', async () => {
    const client = await jailedClient({ directories: ['missing', 'outside/secret', 'second', 'jail'] });
    expect(await client.request('realpath', string('.'))).toMatchObject({ names: [{ name: client.at('second') }] });
    expect(everyAnswer(await client.follow(client.at('missing/x')))).toEqual([DENIED]);
    expect(await client.request('stat', string(client.at('jail/file')))).toMatchObject({ type: 'attributes' });
  });

  test('it is opened once: whoever replaces it later changes nothing', async () => {
    const client = await jailedClient();
    await rename(client.at('jail'), client.at('moved'));
    await symlink('outside', client.at('jail'));
    expect(await client.request('stat', string(client.at('jail/secret')))).toMatchObject(statuses.noSuchFile);
    expect(await client.request('stat', string('file'))).toMatchObject({ type: 'attributes' });
  });
});
