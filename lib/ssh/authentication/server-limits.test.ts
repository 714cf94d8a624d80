import { beforeEach, describe, expect, test } from 'vitest';
import type { Login } from '../testing/login-session.ts';
import { alice, beginAuthentication, expectEnded, FAILURE, request, stranger } from '../testing/login-session.ts';
import { PUBLIC_KEYS } from '../testing/public-keys.ts';

let login: Login;
beforeEach(() => {
  login = beginAuthentication();
});

describe('C2: a username that nothing should see', () => {
  test.each([
    ['empty', ''],
    ['256 bytes', 'x'.repeat(256)],
    ['a NUL', 'acme\0'],
    ['a line break', 'acme\n{"level":30}'],
    ['an escape', '\u001b[2J'],
    ['text that turns round', 'ac\u202eme'],
    ['not UTF-8', Buffer.from([0x61, 0xff])],
    ['an overlong encoding', Buffer.from([0xc1, 0xa1])],
  ])('%s is refused like any wrong one, and never shown', (_what, username) => {
    login = beginAuthentication({ authorize: (name) => name !== '' });
    login.client.send(request({ username, signature: login.sign(alice, { username: 'acme' }) }));
    expect(login.client.inbox).toEqual([FAILURE]);
    expect(login.refused).toEqual([expect.objectContaining({ username: '', reason: 'username' })]);
  });

  test('255 bytes of UTF-8 are a username', () => {
    login = beginAuthentication({ authorize: () => true });
    const username = 'ü'.repeat(127);
    login.client.send(request({ username, signature: login.sign(alice, { username }) }));
    expect(login.verified[0]?.username).toBe(username);
  });
});

describe('A6, weak and damaged keys', () => {
  const certificate = Buffer.from(PUBLIC_KEYS.certificate.line.split(' ')[1] ?? '', 'base64');
  const weak = Buffer.from(PUBLIC_KEYS.rsa1024.line.split(' ')[1] ?? '', 'base64');

  test.each([
    ['a certificate', certificate, 'ssh-ed25519-cert-v01@openssh.com'],
    ["a certificate's blob under its key's name", certificate, 'ssh-ed25519'],
    ['RSA with 1024 bits', weak, 'rsa-sha2-512'],
    ['nothing', Buffer.alloc(0), 'ssh-ed25519'],
    ['garbage', Buffer.alloc(51, 3), 'ssh-ed25519'],
  ])('%s is refused, queried or signed', (_what, blob, algorithm) => {
    login.client.send(request({ blob, algorithm }));
    login.client.send(request({ blob, algorithm, signature: login.sign(alice) }));
    expect(login.client.inbox).toEqual([FAILURE, FAILURE]);
    expect(login.refused.map(({ reason, counted }) => [reason, counted])).toEqual([
      ['key-unreadable', false],
      ['key-unreadable', true],
    ]);
  });
});

describe('A10: limits', () => {
  test('the sixth counted refusal ends the connection', () => {
    for (let tries = 0; tries < 5; tries++) login.client.send(request({ signature: Buffer.alloc(4) }));
    expect(login.closes).toEqual([]);
    login.client.send(request({ signature: Buffer.alloc(4) }));
    expectEnded(login, 'authentication');
    expect(login.refused).toHaveLength(6);
    expect(login.closes[0]?.disconnectReason).toBe(14);
  });

  test('queries do not count, but have a limit of their own', () => {
    for (let queries = 0; queries < 64; queries++) login.client.send(request({ key: stranger.publicKey }));
    expect(login.closes).toEqual([]);
    login.client.send(request({ key: stranger.publicKey }));
    expectEnded(login, 'authentication');
  });

  test('the right key still works after five wrong signatures', () => {
    for (let tries = 0; tries < 5; tries++) login.client.send(request({ signature: Buffer.alloc(4) }));
    login.client.send(request({ signature: login.sign(alice) }));
    expect(login.verified).toHaveLength(1);
  });

  test('a packet of 40 KB before success ends the connection, and passes after it', () => {
    login.client.send(request({ method: 'password', signature: Buffer.alloc(40_000) }));
    expectEnded(login, 'protocol');
    login = beginAuthentication();
    login.client.send(request({ signature: login.sign(alice) }));
    login.authentication.succeed();
    expect(login.server.closed).toBe(false);
  });
});
