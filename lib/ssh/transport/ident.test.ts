import { describe, expect, test } from 'vitest';
import { IdentReader, identLine } from './ident.ts';

const read = (role: 'client' | 'server', text: string): ReturnType<IdentReader['read']> =>
  new IdentReader(role).read(Buffer.from(text, 'latin1'));

test('what follows the line is left over', () => {
  const found = read('server', 'SSH-2.0-OpenSSH_9.2p1 Debian-2\r\nrest');
  expect(found?.ident).toEqual({ line: 'SSH-2.0-OpenSSH_9.2p1 Debian-2', software: 'OpenSSH_9.2p1' });
  expect(found?.rest.toString()).toBe('rest');
});

test('one byte at a time, and without CR', () => {
  const reader = new IdentReader('server');
  for (const byte of Buffer.from('SSH-2.0-dropbear_2022.83')) expect(reader.read(Buffer.of(byte))).toBeUndefined();
  expect(reader.read(Buffer.from('\n'))?.ident.software).toBe('dropbear_2022.83');
});

test('a server may say other things first, to a client', () => {
  expect(read('client', 'Welcome\r\n\r\nSSH-2.0-x\r\n')?.ident.software).toBe('x');
});

test.each(['OpenSSH-keyscan', 'JSCH-0.1.54'])(
  '%s has a minus, which RFC 4253 forbids and OpenSSH accepts',
  (software) => {
    expect(read('server', `SSH-2.0-${software}\r\n`)?.ident.software).toBe(software);
  },
);

describe('ends the connection', () => {
  test.each([
    ['HTTP', 'server', 'GET / HTTP/1.1\r\n'],
    ['HTTP, at its first byte', 'server', 'G'],
    ['TLS', 'server', '\x16\x03\x01'],
    ['a line before the ident of a client', 'server', 'hello\r\nSSH-2.0-x\r\n'],
    ['SSH 1', 'server', 'SSH-1.5-x\r\n'],
    ['SSH 1.99', 'client', 'SSH-1.99-x\r\n'],
    ['no software', 'server', 'SSH-2.0-\r\n'],
    ['a NUL', 'server', 'SSH-2.0-x\0y\r\n'],
    ['a control character', 'server', 'SSH-2.0-x \x1b[2J\r\n'],
    ['256 bytes', 'server', `SSH-2.0-${'x'.repeat(246)}\r\n`],
    ['an endless line from a client', 'server', `SSH-2.0-${'x'.repeat(300)}`],
    ['an endless line from a server', 'client', 'x'.repeat(2000)],
    ['endless lines from a server', 'client', 'x\r\n'.repeat(40)],
  ] as const)('%s', (_what, role, text) => {
    expect(() => read(role, text)).toThrow(expect.objectContaining({ code: 'protocol' }));
  });
});

test('the longest line is 255 bytes with CR LF', () => {
  const software = 'x'.repeat(255 - 2 - 'SSH-2.0-'.length);
  expect(read('server', `SSH-2.0-${software}\r\n`)?.ident.software).toBe(software);
});

test('our own must make OpenSSH send eow', () => {
  expect(identLine('OpenSSH_9.9 sshaccess')).toBe('SSH-2.0-OpenSSH_9.9 sshaccess');
  for (const software of ['sshaccess', 'OpenSSH_\n', `OpenSSH_${'x'.repeat(250)}`]) {
    expect(() => identLine(software)).toThrow('OpenSSH_');
  }
});
