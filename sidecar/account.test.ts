import { expect, test } from 'vitest';
import { accountOf } from './account.ts';
import { passwdEntry } from './passwd.ts';

const passwd = `root:x:0:0:root:/root:/bin/bash
www-data:x:33:33::/var/www:/usr/sbin/nologin
broken
app:x:1000:1001:App,,,:/home/app:/bin/zsh
app2:x:1000:1002::/home/app2:/bin/sh
relative:x:7:7::home:zsh
noshell:x:8:8::/h:
odd:x:1e3:1::/h:/bin/sh
`;

test('the first entry of a uid counts; lines that are no entries are skipped', () => {
  expect(passwdEntry(passwd, 1000)).toEqual({
    name: 'app',
    uid: 1000,
    gid: 1001,
    home: '/home/app',
    shell: '/bin/zsh',
  });
  expect(passwdEntry(passwd, 5)).toBeUndefined();
});

test('an entry with control characters is none: they would reach the terminal, or end a variable', () => {
  const hostile = ['ab\u001B]0;owned\u0007', 'a\0LD_PRELOAD=/x', 'a\u009B2J', 'a\r'].map(
    (name) => `${name}:x:5:5::/h:/bin/sh`,
  );
  expect(passwdEntry([...hostile, 'plain:x:5:5::/h:/bin/sh'].join('\n'), 5)?.name).toBe('plain');
  for (const line of hostile) expect(passwdEntry(line, 5)).toBeUndefined();
});

const account = (uid: number, more: Partial<Parameters<typeof accountOf>[0]> = {}) =>
  accountOf({ role: 'root', uid, passwd, appHome: undefined, ...more });

test("name, home and shell are those of the app's passwd file", () => {
  expect(account(1000)).toEqual({ name: 'app', home: '/home/app', shell: '/bin/zsh' });
  expect(account(1000, { appHome: '/data' }).home).toBe('/data');
});

test('a service account has a shell nevertheless, and odd entries do no harm', () => {
  expect(account(33)).toEqual({ name: 'www-data', home: '/var/www', shell: '/bin/sh' });
  expect(account(7)).toEqual({ name: 'relative', home: undefined, shell: '/bin/sh' });
  expect(account(8).shell).toBe('/bin/sh');
});

test('a uid without an entry, or an image without passwd, still makes an account', () => {
  expect(account(61_000, { role: 'limited' })).toEqual({ name: 'limited', home: undefined, shell: '/bin/sh' });
  expect(account(0, { passwd: undefined })).toEqual({ name: 'root', home: '/root', shell: '/bin/sh' });
});

test('a directory that everybody writes to is no home, whoever says so', () => {
  for (const shared of ['/tmp', '/tmp/', '//tmp/.', '/var/tmp', '/dev/shm']) {
    expect(account(1000, { appHome: shared }).home).toBeUndefined();
    expect(account(9, { passwd: `x:x:9:9::${shared}:/bin/sh` }).home).toBeUndefined();
  }
  expect(account(1000, { appHome: '/tmp/app' }).home).toBe('/tmp/app');
});
