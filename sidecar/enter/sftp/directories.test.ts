import { chmod, mkdir, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startClient } from './testing/raw-client.ts';
import type { Name } from './testing/replies.ts';
import { failure, statuses } from './testing/statuses.ts';
import { attributes, string } from './testing/wire.ts';

type Client = Awaited<ReturnType<typeof startClient>>;

/** Every entry, and how many in each answer. */
async function list(client: Client, path: string) {
  const directory = await client.handle('opendir', string(path));
  const batches: Name[][] = [];
  for (;;) {
    const reply = await client.request('readdir', directory);
    if (reply.type !== 'name') {
      expect(reply).toMatchObject(statuses.endOfFile);
      expect(await client.request('readdir', directory)).toMatchObject(statuses.endOfFile);
      expect(await client.request('close', directory)).toMatchObject(statuses.ok);
      return batches;
    }
    batches.push(reply.names);
  }
}

/** Bytes of a NAME answer: its header, and for each entry two strings and attributes without extensions. */
function answerSize(names: readonly Name[]): number {
  const entry = ({ name, longName }: Name): number => 8 + Buffer.byteLength(name) + Buffer.byteLength(longName) + 32;
  return names.reduce((size, name) => size + entry(name), 13);
}

async function longNames(client: Client): Promise<Map<string, string>> {
  const names = (await list(client, '.')).flat();
  return new Map(names.map(({ name, longName }) => [name, longName]));
}

test('a listing holds every entry, with `.` and `..`', async () => {
  const client = await startClient();
  await writeFile(join(client.folder, 'file'), '12345');
  await mkdir(join(client.folder, 'folder'));
  await symlink('nowhere', join(client.folder, 'link'));
  const names = (await list(client, '.')).flat();
  expect(names.map(({ name }) => name).toSorted()).toEqual(['.', '..', 'file', 'folder', 'link']);
  expect(names.find(({ name }) => name === 'file')?.attributes).toMatchObject({ size: 5n, permissions: 0o100644 });
  expect(names.find(({ name }) => name === 'link')?.attributes).toMatchObject({ permissions: 0o120777 });
});

test('a large directory comes in answers that every client can take', async () => {
  const client = await startClient();
  const expected = Array.from({ length: 1000 }, (_, index) => `${index}-${'ü'.repeat(120)}`);
  for (const name of expected) await writeFile(join(client.folder, name), '');
  const batches = await list(client, '.');
  expect(new Set(batches.flat().map(({ name }) => name))).toEqual(new Set(['.', '..', ...expected]));
  expect(batches.length).toBeGreaterThan(10);
  for (const batch of batches) expect(answerSize(batch)).toBeLessThan(34_000);
});

test('long names are lines of ls -l', async () => {
  const client = await startClient();
  const path = join(client.folder, 'f');
  await writeFile(path, Buffer.alloc(123_456));
  await chmod(path, 0o6751);
  await utimes(path, 0, Date.UTC(2024, 1, 29, 23, 59, 59) / 1000);
  const { uid, gid } = await stat(path);
  const owner = `${String(uid).padEnd(8)} ${String(gid).padEnd(8)}`;
  expect((await longNames(client)).get('f')).toBe(`-rwsr-s--x   1 ${owner}   123456 Feb 29  2024 f`);
});

test.each([
  [-1, 'Dec 31  1969'],
  [0, 'Jan  1  1970'],
  [Date.UTC(2000, 1, 29) / 1000, 'Feb 29  2000'],
  [Date.UTC(2001, 2, 1) / 1000, 'Mar  1  2001'],
  [Date.UTC(2016, 11, 31, 23, 59, 59) / 1000, 'Dec 31  2016'],
  [Date.UTC(2100, 1, 28) / 1000, 'Feb 28  2100'],
  [Date.UTC(2100, 2, 1) / 1000, 'Mar  1  2100'],
])('the time %i is the date %s, in any time zone', async (time, date) => {
  const client = await startClient({ environment: { TZ: 'Pacific/Kiritimati' } });
  await writeFile(join(client.folder, 'f'), '');
  await utimes(join(client.folder, 'f'), 0, new Date(time * 1000));
  expect((await longNames(client)).get('f')).toContain(` ${date} f`);
});

test('a file of today has the time of day', async () => {
  const client = await startClient();
  const path = join(client.folder, 'f');
  await writeFile(path, '');
  const changed = (await stat(path)).mtime.toISOString();
  expect((await longNames(client)).get('f')).toContain(` ${changed.slice(11, 16)} f`);
});

test.each([
  [0o0000, '----------'],
  [0o7777, '-rwsrwsrwt'],
  [0o7000, '---S--S--T'],
  [0o0124, '---x-w-r--'],
])('the mode %o is shown as %s', async (mode, letters) => {
  const client = await startClient();
  await writeFile(join(client.folder, 'f'), '');
  await chmod(join(client.folder, 'f'), mode);
  expect((await longNames(client)).get('f')?.slice(0, 10)).toBe(letters);
});

test('MKDIR and RMDIR make and remove', async () => {
  const client = await startClient({ before: 'umask 022' });
  expect(await client.request('mkdir', string('plain'), attributes())).toMatchObject(statuses.ok);
  expect(await client.request('mkdir', string('given'), attributes({ permissions: 0o40770 }))).toMatchObject(
    statuses.ok,
  );
  expect((await stat(join(client.folder, 'plain'))).mode).toBe(0o40755);
  expect((await stat(join(client.folder, 'given'))).mode).toBe(0o40750);
  expect(await client.request('mkdir', string('plain'), attributes())).toMatchObject(failure('File exists'));
  await writeFile(join(client.folder, 'plain/f'), '');
  expect(await client.request('rmdir', string('plain'))).toMatchObject(failure('Directory not empty'));
  expect(await client.request('rmdir', string('given'))).toMatchObject(statuses.ok);
  expect(await client.request('rmdir', string('given'))).toMatchObject(statuses.noSuchFile);
  expect(await client.request('rmdir', string('plain/f'))).toMatchObject(statuses.noSuchFile);
});

test('OPENDIR of what cannot be listed', async () => {
  const client = await startClient({ unprivileged: true });
  await writeFile(join(client.folder, 'f'), '');
  await mkdir(join(client.folder, 'closed'), { mode: 0o700 });
  await chmod(join(client.folder, 'closed'), 0);
  expect(await client.request('opendir', string('f'))).toMatchObject(statuses.noSuchFile);
  expect(await client.request('opendir', string('missing'))).toMatchObject(statuses.noSuchFile);
  expect(await client.request('opendir', string(''))).toMatchObject(statuses.noSuchFile);
  expect(await client.request('opendir', string('closed'))).toMatchObject(statuses.permissionDenied);
});

test('a directory that is removed while it is listed has an end', async () => {
  const client = await startClient();
  await mkdir(join(client.folder, 'd'));
  const directory = await client.handle('opendir', string('d'));
  await rm(join(client.folder, 'd'), { recursive: true });
  expect(await client.request('readdir', directory)).toMatchObject({ type: expect.stringMatching('name|status') });
  expect(await client.request('readdir', directory)).toMatchObject({ type: 'status' });
});
