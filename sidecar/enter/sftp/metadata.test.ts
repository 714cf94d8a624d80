import { chmod, link, lstat, mkdir, readFile, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startClient } from './testing/raw-client.ts';
import { failure, statuses } from './testing/statuses.ts';
import { attributes, flags, string, u32 } from './testing/wire.ts';

async function clientWithFile(options = {}) {
  const client = await startClient(options);
  const path = join(client.folder, 'f');
  await writeFile(path, 'content');
  await symlink('f', join(client.folder, 'link'));
  await chmod(path, 0o640);
  await utimes(path, 1_000_000_000, 1_234_567_890);
  return { ...client, path };
}

test('STAT, LSTAT and FSTAT describe a file; STAT follows links, LSTAT does not', async () => {
  const client = await clientWithFile();
  const { uid, gid } = await stat(client.path);
  const described = {
    type: 'attributes',
    attributes: { size: 7n, owner: [uid, gid], permissions: 0o100640, times: [1_000_000_000, 1_234_567_890] },
  };
  const file = await client.handle('open', string('f'), u32(flags.read), attributes());
  expect(await client.request('stat', string('f'))).toMatchObject(described);
  expect(await client.request('stat', string('link'))).toMatchObject(described);
  expect(await client.request('lstat', string('f'))).toMatchObject(described);
  expect(await client.request('fstat', file)).toMatchObject(described);
  expect(await client.request('lstat', string('link'))).toMatchObject({
    attributes: { size: 1n, permissions: 0o120777 },
  });
});

test.each(['stat', 'lstat'] as const)('%s of what is not there', async (type) => {
  const client = await clientWithFile();
  for (const name of ['', 'missing', 'f/x', 'missing/x'])
    expect(await client.request(type, string(name)), name).toMatchObject(statuses.noSuchFile);
  expect(await client.request(type, string('n'.repeat(256)))).toMatchObject(statuses.badMessage);
  expect(await client.request(type, string('n/'.repeat(5000)))).toMatchObject(statuses.badMessage);
});

test('times that version 3 cannot hold are shown as the nearest that it can', async () => {
  const client = await clientWithFile();
  await utimes(client.path, new Date(-1000), 2 ** 32 + 1000);
  expect(await client.request('stat', string('f'))).toMatchObject({ attributes: { times: [0, 2 ** 32 - 1] } });
});

test.each(['setstat', 'fsetstat'] as const)('%s sets size, permissions and times', async (type) => {
  const client = await clientWithFile();
  const target =
    type === 'setstat' ? string('link') : await client.handle('open', string('f'), u32(flags.write), attributes());
  const times: [number, number] = [2 ** 31 + 5, 2 ** 32 - 1];
  const given = attributes({ size: 4n, permissions: 0o104751, times });
  expect(await client.request(type, target, given)).toMatchObject(statuses.ok);
  const changed = await stat(client.path);
  expect(changed.mode).toBe(0o104751);
  expect([changed.atimeMs, changed.mtimeMs]).toEqual(times.map((time) => time * 1000));
  expect(await readFile(client.path, 'utf8')).toBe('cont');
});

test('nothing given is nothing changed', async () => {
  const client = await clientWithFile();
  expect(await client.request('setstat', string('f'), attributes())).toMatchObject(statuses.ok);
});

test('only root may give files away; everybody may keep them', async () => {
  const client = await startClient({ unprivileged: true });
  const file = await client.handle('open', string('f'), u32(flags.write | flags.create), attributes());
  const { uid, gid } = await stat(join(client.folder, 'f'));
  const foreign = attributes({ owner: [uid + 1, gid] });
  const own = attributes({ owner: [uid, gid] });
  for (const target of [string('f'), file]) {
    const type = target === file ? 'fsetstat' : 'setstat';
    expect(await client.request(type, target, foreign)).toMatchObject(statuses.permissionDenied);
    expect(await client.request(type, target, own)).toMatchObject(statuses.ok);
  }
});

test.runIf(process.getuid?.() === 0)('root may give files away', async () => {
  const client = await clientWithFile();
  expect(await client.request('setstat', string('f'), attributes({ owner: [4711, 4712] }))).toMatchObject(statuses.ok);
  expect(await stat(client.path)).toMatchObject({ uid: 4711, gid: 4712 });
});

test('where a part fails, the rest is done and the failure told', async () => {
  const client = await clientWithFile();
  await mkdir(join(client.folder, 'd'));
  const given = attributes({ size: 1n, permissions: 0o711, times: [1, 2] });
  expect(await client.request('setstat', string('d'), given)).toMatchObject(failure('Is a directory'));
  const changed = await stat(join(client.folder, 'd'));
  expect([changed.mode & 0o777, changed.mtimeMs]).toEqual([0o711, 2000]);
});

test('sizes beyond 2^63 are refused', async () => {
  const client = await clientWithFile();
  const given = attributes({ size: 1n << 63n });
  expect(await client.request('setstat', string('f'), given)).toMatchObject(statuses.badMessage);
});

test('SETSTAT of what is not there', async () => {
  const client = await clientWithFile();
  for (const given of [{ size: 1n }, { permissions: 1 }, { times: [1, 1] as [number, number] }])
    expect(await client.request('setstat', string('missing'), attributes(given))).toMatchObject(statuses.noSuchFile);
});

test('lsetstat changes a link, not what it leads to', async () => {
  const client = await clientWithFile();
  const lsetstat = (given: Buffer) => client.extended('lsetstat@openssh.com', string('link'), given);
  expect(await lsetstat(attributes({ times: [5, 6] }))).toMatchObject(statuses.ok);
  expect((await lstat(join(client.folder, 'link'))).mtimeMs).toBe(6000);
  expect((await stat(client.path)).mtimeMs).toBe(1_234_567_890_000);
  expect(await lsetstat(attributes({ size: 1n }))).toMatchObject(statuses.badMessage);
  // Linux has no permissions of links.
  expect(await lsetstat(attributes({ permissions: 0o600 }))).toMatchObject(failure('Operation not supported'));
});

test('hard links count in the listing', async () => {
  const client = await clientWithFile();
  await link(client.path, join(client.folder, 'second'));
  const directory = await client.handle('opendir', string('.'));
  const reply = await client.request('readdir', directory);
  const long = reply.type === 'name' ? reply.names.map((name) => name.longName) : [];
  expect(long.filter((line) => / (f|second)$/.test(line))).toEqual([
    expect.stringMatching(/^-rw-r----- {3}2 /),
    expect.stringMatching(/^-rw-r----- {3}2 /),
  ]);
});
