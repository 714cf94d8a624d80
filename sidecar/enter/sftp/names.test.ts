import { lstat, mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { startClient } from './testing/raw-client.ts';
import { failure, statuses } from './testing/statuses.ts';
import { string } from './testing/wire.ts';

async function clientWithFiles(refuse?: string) {
  const client = await startClient({ environment: { SFTP_REFUSE: refuse } });
  const at = (name: string): string => join(client.folder, name);
  await writeFile(at('one'), '1');
  await writeFile(at('two'), '2');
  await mkdir(at('folder'));
  await symlink('missing', at('dangling'));
  const posixRename = (from: string, to: string) =>
    client.extended('posix-rename@openssh.com', string(from), string(to));
  const rename = (from: string, to: string) => client.request('rename', string(from), string(to));
  return { ...client, at, rename, posixRename };
}

test('REMOVE removes files and links, not directories', async () => {
  const client = await clientWithFiles();
  expect(await client.request('remove', string('one'))).toMatchObject(statuses.ok);
  expect(await client.request('remove', string('one'))).toMatchObject(statuses.noSuchFile);
  expect(await client.request('remove', string('dangling'))).toMatchObject(statuses.ok);
  expect(await client.request('remove', string('folder'))).toMatchObject(failure('Is a directory'));
  expect((await readdir(client.folder)).toSorted()).toEqual(['folder', 'two']);
});

describe.each([
  ['renames without replacing', undefined],
  ['has hard links only', 'renameat2'],
  ['has neither', 'renameat2,linkat'],
])('on a file system that %s', (_, refuse) => {
  test('RENAME renames files, directories and links', async () => {
    const client = await clientWithFiles(refuse);
    expect(await client.rename('one', 'folder/new')).toMatchObject(statuses.ok);
    expect(await client.rename('folder', 'moved')).toMatchObject(statuses.ok);
    expect(await client.rename('dangling', 'link')).toMatchObject(statuses.ok);
    expect(await readFile(client.at('moved/new'), 'utf8')).toBe('1');
    expect(await readlink(client.at('link'))).toBe('missing');
    expect((await readdir(client.folder)).toSorted()).toEqual(['link', 'moved', 'two']);
  });

  test('RENAME replaces nothing, not even a link that leads nowhere', async () => {
    const client = await clientWithFiles(refuse);
    for (const from of ['one', 'folder', 'dangling'])
      for (const to of ['two', 'dangling', 'one', 'folder'])
        expect(await client.rename(from, to), `${from} to ${to}`).toMatchObject(failure('File exists'));
    expect(await client.rename('missing', 'new')).toMatchObject(statuses.noSuchFile);
    expect(await client.rename('one', 'missing/new')).toMatchObject(statuses.noSuchFile);
    expect(await readFile(client.at('two'), 'utf8')).toBe('2');
    expect((await readdir(client.folder)).toSorted()).toEqual(['dangling', 'folder', 'one', 'two']);
  });
});

test('posix-rename replaces', async () => {
  const client = await clientWithFiles();
  expect(await client.posixRename('one', 'two')).toMatchObject(statuses.ok);
  expect(await readFile(client.at('two'), 'utf8')).toBe('1');
  expect(await client.posixRename('two', 'folder')).toMatchObject(failure('Is a directory'));
  expect(await client.posixRename('missing', 'x')).toMatchObject(statuses.noSuchFile);
});

test('neither rename leads to another file system', async () => {
  const client = await clientWithFiles();
  const elsewhere = `/dev/shm/sftp-${process.pid}`;
  // Where both are one file system this test can say nothing, and says so by failing.
  expect((await stat('/dev/shm')).dev).not.toBe((await stat(client.at('one'))).dev);
  expect(await client.rename('one', elsewhere)).toMatchObject(failure('Invalid cross-device link'));
  expect(await client.posixRename('one', elsewhere)).toMatchObject(failure('Invalid cross-device link'));
});

test('hardlink gives a second name', async () => {
  const client = await clientWithFiles();
  const hardlink = (from: string, to: string) => client.extended('hardlink@openssh.com', string(from), string(to));
  expect(await hardlink('one', 'second')).toMatchObject(statuses.ok);
  expect((await stat(client.at('second'))).ino).toBe((await stat(client.at('one'))).ino);
  expect(await hardlink('one', 'two')).toMatchObject(failure('File exists'));
  expect(await hardlink('folder', 'x')).toMatchObject(statuses.permissionDenied);
});

test("SYMLINK takes the target first, in OpenSSH's order", async () => {
  const client = await clientWithFiles();
  expect(await client.request('symlink', string('any/target'), string('link'))).toMatchObject(statuses.ok);
  expect(await readlink(client.at('link'))).toBe('any/target');
  expect(await client.request('symlink', string('any'), string('one'))).toMatchObject(failure('File exists'));
  expect((await lstat(client.at('one'))).isFile()).toBe(true);
});

test('READLINK tells the target as it is, however long', async () => {
  const client = await clientWithFiles();
  const target = 'ö'.repeat(1500);
  await symlink(target, client.at('long'));
  for (const [name, expected] of [
    ['dangling', 'missing'],
    ['long', target],
  ] as const)
    expect(await client.request('readlink', string(name))).toMatchObject({
      names: [{ name: expected, longName: expected, attributes: {} }],
    });
  expect(await client.request('readlink', string('one'))).toMatchObject(statuses.badMessage);
  expect(await client.request('readlink', string('nothing'))).toMatchObject(statuses.noSuchFile);
});
