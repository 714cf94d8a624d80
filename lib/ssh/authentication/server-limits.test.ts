import { beforeEach, describe, expect, test } from 'vitest';
import type { PrivateKey } from '../keys/private-key.ts';
import { MSG } from '../numbers.ts';
import type { Login, Parts } from '../testing/login-session.ts';
import { alice, beginLogin, FAILURE, request, signature as signatureOf, stranger } from '../testing/login-session.ts';
import { PUBLIC_KEYS } from '../testing/public-keys.ts';
import { SERVICE_REQUEST } from '../testing/raw-client.ts';

let login: Login;
beforeEach(() => {
  login = beginLogin();
  login.client.send(SERVICE_REQUEST);
  expect(login.client.take(MSG.SERVICE_ACCEPT).toString('latin1')).toContain('ssh-userauth');
});

/** What an honest client signs; each part may be another than in the request. */
function signature(signer: PrivateKey, parts: Parts & { sessionId?: Buffer } = {}): Buffer {
  return signatureOf(parts.sessionId ?? login.server.sessionId, signer, parts);
}

function expectEnded(code: string): void {
  expect(login.closes).toEqual([expect.objectContaining({ code })]);
  expect(login.client.inbox.map((payload) => payload[0])).not.toContain(MSG.USERAUTH_SUCCESS);
  expect(login.verified).toEqual([]);
}

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
    login = beginLogin({ authorize: (name) => name !== '' });
    login.client.send(SERVICE_REQUEST);
    login.client.inbox.length = 0;
    login.client.send(request({ username, signature: signature(alice, { username: 'acme' }) }));
    expect(login.client.inbox).toEqual([FAILURE]);
    expect(login.refused).toEqual([expect.objectContaining({ username: '', reason: 'username' })]);
  });

  test('255 bytes of UTF-8 are a username', () => {
    login = beginLogin({ authorize: () => true });
    login.client.send(SERVICE_REQUEST);
    const username = 'ü'.repeat(127);
    login.client.send(request({ username, signature: signature(alice, { username }) }));
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
    login.client.send(request({ blob, algorithm, signature: signature(alice) }));
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
    expectEnded('authentication');
    expect(login.refused).toHaveLength(6);
    expect(login.closes[0]?.disconnectReason).toBe(14);
  });

  test('queries do not count, but have a limit of their own', () => {
    for (let queries = 0; queries < 64; queries++) login.client.send(request({ key: stranger.publicKey }));
    expect(login.closes).toEqual([]);
    login.client.send(request({ key: stranger.publicKey }));
    expectEnded('authentication');
  });

  test('the right key still works after five wrong signatures', () => {
    for (let tries = 0; tries < 5; tries++) login.client.send(request({ signature: Buffer.alloc(4) }));
    login.client.send(request({ signature: signature(alice) }));
    expect(login.verified).toHaveLength(1);
  });

  test('a packet of 40 KB before success ends the connection, and passes after it', () => {
    login.client.send(request({ method: 'password', signature: Buffer.alloc(40_000) }));
    expectEnded('protocol');
    login = beginLogin();
    login.client.send(SERVICE_REQUEST);
    login.client.send(request({ signature: signature(alice) }));
    login.authentication.succeed();
    expect(login.server.closed).toBe(false);
  });
});
