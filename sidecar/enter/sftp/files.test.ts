import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startClient } from './testing/raw-client.ts';
import { failure, statuses } from './testing/statuses.ts';
import { attributes, flags, string, u32, u64 } from './testing/wire.ts';

const { read, write, append, create, truncate, exclusive } = flags;
const plain = attributes();

test('what is written is read', async () => {
  const client = await startClient();
  const file = await client.handle('open', string('f'), u32(read | write | create), plain);
  expect(await client.request('write', file, u64(0), string('hello '))).toMatchObject(statuses.ok);
  expect(await client.request('write', file, u64(6), string('world'))).toMatchObject(statuses.ok);
  expect(await client.request('read', file, u64(3), u32(6))).toMatchObject({ data: Buffer.from('lo wor') });
  expect(await client.request('close', file)).toMatchObject(statuses.ok);
  expect(await readFile(join(client.folder, 'f'), 'utf8')).toBe('hello world');
});

test('reading stops at the end of the file', async () => {
  const client = await startClient();
  await writeFile(join(client.folder, 'f'), 'hello');
  const file = await client.handle('open', string('f'), u32(read), plain);
  expect(await client.request('read', file, u64(3), u32(100))).toMatchObject({ data: Buffer.from('lo') });
  for (const offset of [5n, 6n, 1n << 40n, 1n << 62n])
    expect(await client.request('read', file, u64(offset), u32(100))).toMatchObject(statuses.endOfFile);
});

test('reading nothing gives nothing, also at the end', async () => {
  const client = await startClient();
  await writeFile(join(client.folder, 'f'), 'hello');
  const file = await client.handle('open', string('f'), u32(read), plain);
  for (const offset of [0, 5, 99])
    expect(await client.request('read', file, u64(offset), u32(0))).toMatchObject({ data: Buffer.alloc(0) });
});

test('writing nothing changes nothing', async () => {
  const client = await startClient();
  const file = await client.handle('open', string('f'), u32(write | create), plain);
  expect(await client.request('write', file, u64(1000), string(''))).toMatchObject(statuses.ok);
  expect((await stat(join(client.folder, 'f'))).size).toBe(0);
});

test('offsets beyond 2^63 are refused', async () => {
  const client = await startClient();
  const file = await client.handle('open', string('f'), u32(read | write | create), plain);
  for (const offset of [1n << 63n, (1n << 64n) - 1n]) {
    expect(await client.request('read', file, u64(offset), u32(1))).toMatchObject(statuses.badMessage);
    expect(await client.request('write', file, u64(offset), string('x'))).toMatchObject(statuses.badMessage);
  }
});

test('offsets beyond 4 GiB are kept', async () => {
  const client = await startClient();
  const file = await client.handle('open', string('f'), u32(read | write | create), plain);
  const offset = 5n * 1024n ** 3n + 7n;
  expect(await client.request('write', file, u64(offset), string('far'))).toMatchObject(statuses.ok);
  expect(await client.request('read', file, u64(offset), u32(9))).toMatchObject({ data: Buffer.from('far') });
  expect(await client.request('fstat', file)).toMatchObject({ attributes: { size: offset + 3n } });
});

test('a READ of more than an answer can hold is cut, not refused', async () => {
  const client = await startClient();
  await writeFile(join(client.folder, 'f'), Buffer.alloc(300 * 1024, 'x'));
  const file = await client.handle('open', string('f'), u32(read), plain);
  for (const length of [300 * 1024, 0xffffffff]) {
    const reply = await client.request('read', file, u64(0), u32(length));
    expect(reply.type === 'data' && reply.data.length).toBe(255 * 1024);
  }
});

test('a write of the greatest length that fits into a packet is written whole', async () => {
  const client = await startClient();
  const file = await client.handle('open', string('f'), u32(write | create), plain);
  const bytes = Buffer.alloc(256 * 1024 - 1 - 4 - 12 - 8 - 4, 'y');
  expect(await client.request('write', file, u64(0), string(bytes))).toMatchObject(statuses.ok);
  expect((await readFile(join(client.folder, 'f'))).equals(bytes)).toBe(true);
});

test('OPEN does what its flags say', async () => {
  const client = await startClient();
  const path = join(client.folder, 'f');
  const open = (wanted: number) => client.request('open', string('f'), u32(wanted), plain);

  expect(await open(read)).toMatchObject(statuses.noSuchFile);
  expect(await open(write)).toMatchObject(statuses.noSuchFile);
  expect(await open(write | create | exclusive)).toMatchObject({ type: 'handle' });
  expect(await open(write | create | exclusive)).toMatchObject(failure('File exists'));
  await writeFile(path, 'content');
  expect(await open(write | create)).toMatchObject({ type: 'handle' });
  expect(await readFile(path, 'utf8')).toBe('content');
  expect(await open(write | truncate)).toMatchObject({ type: 'handle' });
  expect(await readFile(path, 'utf8')).toBe('');
});

test('a handle cannot do what it was not opened for', async () => {
  const client = await startClient();
  const writing = await client.handle('open', string('f'), u32(write | create), plain);
  const reading = await client.handle('open', string('f'), u32(read), plain);
  expect(await client.request('read', writing, u64(0), u32(1))).toMatchObject(statuses.noSuchFile);
  expect(await client.request('write', reading, u64(0), string('x'))).toMatchObject(statuses.noSuchFile);
});

test('with APPEND, the offset of WRITE is ignored', async () => {
  const client = await startClient();
  await writeFile(join(client.folder, 'f'), 'one');
  const file = await client.handle('open', string('f'), u32(write | append), plain);
  expect(await client.request('write', file, u64(0), string(' two'))).toMatchObject(statuses.ok);
  expect(await readFile(join(client.folder, 'f'), 'utf8')).toBe('one two');
});

test('new files have the permissions that the client gives, or 0666, both less the umask', async () => {
  const client = await startClient({ before: 'umask 027' });
  const modeOf = async (name: string) => (await stat(join(client.folder, name))).mode & 0o7777;
  await client.handle('open', string('plain'), u32(write | create), plain);
  await client.handle('open', string('given'), u32(write | create), attributes({ permissions: 0o100777 }));
  expect(await modeOf('plain')).toBe(0o640);
  expect(await modeOf('given')).toBe(0o750);
});

test('a directory can be opened as a file, but not read', async () => {
  const client = await startClient();
  await mkdir(join(client.folder, 'd'));
  expect(await client.request('open', string('d'), u32(write), plain)).toMatchObject(failure('Is a directory'));
  const directory = await client.handle('open', string('d'), u32(read), plain);
  expect(await client.request('read', directory, u64(0), u32(1))).toMatchObject(failure('Is a directory'));
});

test('a full disk is a failure that says so', async () => {
  const client = await startClient();
  const file = await client.handle('open', string('/dev/full'), u32(write), plain);
  expect(await client.request('write', file, u64(0), string('x'))).toMatchObject(failure('No space left on device'));
});

test('a limit on file sizes is a failure that says so, also when reached in the midst of a write', async () => {
  const client = await startClient({ before: 'ulimit -f 8' });
  const file = await client.handle('open', string('f'), u32(write | create), plain);
  const much = string(Buffer.alloc(10_000));
  expect(await client.request('write', file, u64(0), much)).toMatchObject(failure('File too large'));
  expect((await client.end()).code).toBe(0);
});

test('opening a named pipe does not hang the session', async () => {
  const client = await startClient({ before: 'mkfifo pipe' });
  const pipe = await client.handle('open', string('pipe'), u32(read), plain);
  expect(await client.request('read', pipe, u64(0), u32(1))).toMatchObject(failure('Illegal seek'));
  expect(await client.request('open', string('pipe2'), u32(write), plain)).toMatchObject(statuses.noSuchFile);
});

test('symbolic links that lead nowhere, or in a circle, are no such file', async () => {
  const client = await startClient();
  await symlink('circle', join(client.folder, 'circle'));
  await symlink('missing', join(client.folder, 'dangling'));
  for (const name of ['circle', 'dangling', 'circle/x', '']) {
    expect(await client.request('open', string(name), u32(read), plain)).toMatchObject(statuses.noSuchFile);
  }
});

test('who may not, may not', async () => {
  const client = await startClient({ unprivileged: true });
  expect(await client.request('open', string('/etc/shadow'), u32(read), plain)).toMatchObject(
    statuses.permissionDenied,
  );
  expect(await client.request('open', string('/etc/x'), u32(write | create), plain)).toMatchObject(
    statuses.permissionDenied,
  );
});
