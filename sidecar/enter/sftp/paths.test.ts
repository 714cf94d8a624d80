import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type ServerOptions, startClient } from './testing/raw-client.ts';
import { statuses } from './testing/statuses.ts';
import { string } from './testing/wire.ts';

async function clientWithTree(options: ServerOptions = {}) {
  const client = await startClient(options);
  const at = (name: string): string => join(client.folder, name);
  await mkdir(at('a/b'), { recursive: true });
  await writeFile(at('a/f'), '');
  await symlink('a', at('relative'));
  await symlink(at('a/b'), at('absolute'));
  await symlink('../f', at('a/b/up'));
  await symlink('a/new', at('dangling'));
  await symlink('circle', at('circle'));
  await symlink('/', at('root'));
  const realpath = (path: string) => client.request('realpath', string(path));
  const expand = (path: string) => client.extended('expand-path@openssh.com', string(path));
  const home = (user: string) => client.extended('home-directory', string(user));
  return { ...client, at, realpath, expand, home };
}

function named(name: string) {
  return { type: 'name', names: [{ name, longName: name, attributes: {} }] } as const;
}

test.each([
  ['', '.'],
  ['.', '.'],
  ['./', '.'],
  ['a//b/', 'a/b'],
  ['a/./b/../f', 'a/f'],
  ['relative/b', 'a/b'],
  ['absolute', 'a/b'],
  ['absolute/up', 'a/f'],
  ['absolute/..', 'a'],
  ['missing', 'missing'],
  ['a/missing', 'a/missing'],
  ['relative/missing', 'a/missing'],
  ['dangling', 'a/new'],
  ['a/f/.', 'a/f'],
])('REALPATH of %j is %j in the home', async (path, expected) => {
  const client = await clientWithTree();
  expect(await client.realpath(path)).toMatchObject(named(client.at(expected)));
});

test.each([
  ['/', '/'],
  ['//', '/'],
  ['/..', '/'],
  ['/../..//.', '/'],
  ['root', '/'],
  ['root/missing', '/missing'],
  [`${'../'.repeat(50)}missing`, '/missing'],
])('REALPATH of %j is %j', async (path, expected) => {
  expect(await (await clientWithTree()).realpath(path)).toMatchObject(named(expected));
});

test.each([
  ['missing/x', statuses.noSuchFile],
  ['missing/', statuses.noSuchFile],
  ['a/f/x', statuses.noSuchFile],
  ['circle', statuses.noSuchFile],
  ['circle/x', statuses.noSuchFile],
  ['x'.repeat(256), statuses.badMessage],
  ['a/'.repeat(3000), statuses.badMessage],
])('REALPATH of %j is refused', async (path, expected) => {
  expect(await (await clientWithTree()).realpath(path)).toMatchObject(expected);
});

test('names too long, by links that multiply them, are refused', async () => {
  const client = await clientWithTree();
  await symlink(`${'./'.repeat(2000)}long`, client.at('long'));
  expect(await client.realpath(`long/${'a/'.repeat(500)}`)).toMatchObject(statuses.badMessage);
  expect(await client.realpath('long')).toMatchObject(statuses.noSuchFile);
});

test('expand-path knows ~ as the home, and nobody else', async () => {
  const client = await clientWithTree();
  for (const path of ['~', '~/', '~//', '~/.', '', '.'])
    expect(await client.expand(path)).toMatchObject(named(client.folder));
  expect(await client.expand('~/relative/f')).toMatchObject(named(client.at('a/f')));
  expect(await client.expand('a/~')).toMatchObject(named(client.at('a/~')));
  expect(await client.expand('/')).toMatchObject(named('/'));
  expect(await client.expand('~root')).toMatchObject({ type: 'status', code: 2, message: 'no such user' });
  expect(await client.expand('~/missing/x')).toMatchObject(statuses.noSuchFile);
});

test('home-directory knows the own user, and nobody else', async () => {
  const client = await clientWithTree({ environment: { USER: 'ann', LOGNAME: 'ann' } });
  expect(await client.home('')).toMatchObject(named(client.folder));
  expect(await client.home('ann')).toMatchObject(named(client.folder));
  expect(await client.home('root')).toMatchObject(statuses.failure);
});

test.each([
  ['is not set', undefined],
  ['is empty', ''],
  ['does not exist', '/nowhere'],
  ['is a file', '/etc/passwd'],
])('where HOME %s, the session starts where it stands', async (_, home) => {
  const client = await clientWithTree({ environment: { HOME: home } });
  expect(await client.realpath('.')).toMatchObject(named(client.folder));
});
