import { sign } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { MSG } from '../numbers.ts';
import type { Login, Parts } from '../testing/login-session.ts';
import {
  alice,
  beginAuthentication,
  beginLogin,
  expectEnded,
  FAILURE,
  request,
  root,
  rsa,
  rsaPair,
  stranger,
} from '../testing/login-session.ts';
import { SERVICE_REQUEST } from '../testing/raw-client.ts';
import { makeSecurityKey } from '../testing/security-key.ts';
import { Writer } from '../wire.ts';
import { signedData } from './request.ts';
import type { RefusedAttempt } from './server.ts';

let login: Login;
beforeEach(() => {
  login = beginAuthentication();
});

function expectRefused(reason: RefusedAttempt['reason'], counted = true): void {
  expect(login.client.inbox).toEqual([FAILURE]);
  expect(login.refused).toEqual([expect.objectContaining({ reason, counted })]);
  expect(login.verified).toEqual([]);
  expect(login.closes).toEqual([]);
}

describe('the right key', () => {
  test('is verified; success is sent when the owner is ready', () => {
    login.client.send(request({ signature: login.sign(alice) }));
    expect(login.verified).toEqual([
      { username: 'acme', key: expect.objectContaining({ fingerprint: alice.publicKey.fingerprint }) },
    ]);
    expect(login.client.inbox).toEqual([]);
    login.authentication.succeed();
    login.client.send(Buffer.of(MSG.IGNORE));
    expect(login.client.inbox).toEqual([Buffer.of(MSG.USERAUTH_SUCCESS)]);
    expect(() => login.authentication.succeed()).toThrow();
  });

  test.each(['rsa-sha2-512', 'rsa-sha2-256'])('with %s', (algorithm) => {
    login.client.send(request({ key: rsa.publicKey, algorithm, signature: login.sign(rsa, { algorithm }) }));
    expect(login.verified).toHaveLength(1);
  });

  test.each(['ed25519', 'ecdsa'] as const)('on a security key with %s', (kind) => {
    const security = makeSecurityKey(kind);
    login = beginAuthentication({ authorize: (_username, key) => key.equals(security.publicKey) });
    const { publicKey } = security;
    const data = signedData({
      sessionId: login.server.sessionId,
      username: 'acme',
      algorithm: publicKey.type,
      blob: publicKey.blob,
    });
    login.client.send(request({ key: publicKey, signature: security.sign(data, { flags: 0 }) }));
    expect(login.verified).toEqual([]);
    login.client.send(request({ key: publicKey, signature: security.sign(data) }));
    expect(login.verified).toHaveLength(1);
  });

  test('may be queried first; the answer echoes algorithm and blob', () => {
    login.client.send(request({ key: rsa.publicKey, algorithm: 'rsa-sha2-256' }));
    expect(login.client.inbox).toEqual([
      new Writer().byte(MSG.USERAUTH_PK_OK).string('rsa-sha2-256').string(rsa.publicKey.blob).bytes(),
    ]);
    expect([login.verified, login.refused]).toEqual([[], []]);
  });

  test('signs the session id of the first key exchange, also after a rekey', () => {
    login.rekey();
    login.client.send(request({ signature: login.sign(alice) }));
    expect(login.verified).toHaveLength(1);
  });
});

describe('A1: what is not a signature of this key, over this session and this request', () => {
  test.each([
    ['made by another key', () => login.sign(stranger, { key: alice.publicKey })],
    ['of another session', () => login.sign(alice, { sessionId: Buffer.alloc(32, 1) })],
    ['for another user', () => login.sign(alice, { username: 'root' })],
    ['for another key', () => login.sign(alice, { blob: root.publicKey.blob })],
    ['for another algorithm', () => login.sign(alice, { algorithm: 'rsa-sha2-256' })],
    ['cut short', () => login.sign(alice).subarray(0, 40)],
    ['empty', () => Buffer.alloc(0)],
    ['with bytes behind it', () => Buffer.concat([login.sign(alice), Buffer.of(0)])],
    ['of zeros', () => new Writer().string('ssh-ed25519').string(Buffer.alloc(64)).bytes()],
    ['in the name of another format', () => new Writer().string('ssh-rsa').string(Buffer.alloc(64)).bytes()],
  ])('%s', (_what, make) => {
    login.client.send(request({ signature: make() }));
    expectRefused('signature');
    expect(login.refused[0]?.fingerprint).toBe(alice.publicKey.fingerprint);
  });

  test.each([
    ['SHA-1', 'ssh-rsa', () => rsa.publicKey],
    ['an ed25519 name for an RSA key', 'ssh-ed25519', () => rsa.publicKey],
    ['an RSA name for an ed25519 key', 'rsa-sha2-512', () => alice.publicKey],
    ['a certificate algorithm', 'ssh-ed25519-cert-v01@openssh.com', () => alice.publicKey],
    ['an unknown algorithm', 'none', () => alice.publicKey],
  ])('%s', (_what, algorithm, key) => {
    login.client.send(request({ key: key(), algorithm, signature: login.sign(alice, { algorithm, key: key() }) }));
    expectRefused('algorithm');
  });

  test('a real SHA-1 signature of a registered key', () => {
    const data = signedData({
      sessionId: login.server.sessionId,
      username: 'acme',
      algorithm: 'ssh-rsa',
      blob: rsa.publicKey.blob,
    });
    const value = new Writer()
      .string('ssh-rsa')
      .string(sign('sha1', data, rsaPair.privateKey))
      .bytes();
    login.client.send(request({ key: rsa.publicKey, algorithm: 'ssh-rsa', signature: value }));
    expectRefused('algorithm');
  });

  test('a query for SHA-1', () => {
    login.client.send(request({ key: rsa.publicKey, algorithm: 'ssh-rsa' }));
    expectRefused('algorithm', false);
  });
});

test("A2: who queries root's key and signs with alice's is alice", () => {
  login.client.send(request({ key: root.publicKey }));
  login.client.take(MSG.USERAUTH_PK_OK);
  login.client.send(request({ signature: login.sign(alice) }));
  expect(login.verified.map(({ key }) => key.fingerprint)).toEqual([alice.publicKey.fingerprint]);
});

describe('A4: the request', () => {
  test.each(['none', 'password', 'keyboard-interactive', 'hostbased', 'publickey-hostbound-v00@openssh.com'])(
    'with %s is refused, and only publickey is named',
    (method) => {
      login.client.send(request({ method }));
      // The first `none` only asks what there is.
      expectRefused('method', method !== 'none');
    },
  );

  test('a second none counts', () => {
    login.client.send(request({ method: 'none' }));
    login.client.send(request({ method: 'none' }));
    expect(login.refused.map(({ counted }) => counted)).toEqual([false, true]);
  });

  test.each([
    ['another username', { username: 'acme2', signature: Buffer.alloc(4) }],
    ['another service', { service: 'ssh-userauth' }],
  ])('may not come with %s after the first', (_what, parts) => {
    login.client.send(request({ method: 'none' }));
    login.client.inbox.length = 0;
    login.client.send(request(parts));
    expect(login.closes).toHaveLength(1);
    expect(login.verified).toEqual([]);
  });

  test.each(['ssh-userauth', 'ssh-connection-2', 'x'])('for the service %s ends the connection', (service) => {
    login.client.send(request({ service }));
    expectEnded(login, 'protocol');
    expect(login.closes[0]?.disconnectReason).toBe(7);
  });

  test('with bytes behind the signature, or cut anywhere, ends the connection', () => {
    const whole = request({ signature: login.sign(alice) });
    login.client.send(Buffer.concat([whole, Buffer.of(0)]));
    expectEnded(login, 'protocol');
    for (let length = 1; length < whole.length; length += 3) {
      login = beginAuthentication();
      login.client.send(whole.subarray(0, length));
      expectEnded(login, 'protocol');
    }
  });

  test('before the service is asked for ends the connection', () => {
    login = beginLogin();
    login.client.send(request({ signature: Buffer.alloc(4) }));
    expectEnded(login, 'protocol');
  });

  test.each(['ssh-connection', 'x'])('the service %s is not served', (service) => {
    login = beginLogin();
    login.client.send(new Writer().byte(MSG.SERVICE_REQUEST).string(service).bytes());
    expectEnded(login, 'protocol');
  });

  test('the service is asked for once', () => {
    login.client.send(SERVICE_REQUEST);
    expectEnded(login, 'protocol');
  });
});

describe('A5: before success every other message ends the connection', () => {
  const numbers = [51, 52, 53, 60, 61, 63, 79, 80, 81, 82, 90, 91, 93, 94, 95, 96, 97, 98, 99, 100, 127, 128, 192, 255];

  test.each(numbers)('message %i', (type) => {
    login.client.send(Buffer.concat([Buffer.of(type), Buffer.alloc(32)]));
    expectEnded(login, 'protocol');
  });

  test.each([MSG.CHANNEL_OPEN, MSG.USERAUTH_REQUEST])('message %i between verification and success', (type) => {
    login.client.send(request({ signature: login.sign(alice) }));
    login.client.send(type === MSG.USERAUTH_REQUEST ? request({ signature: login.sign(alice) }) : Buffer.of(type));
    expect(login.verified).toHaveLength(1);
    expect(login.closes).toEqual([expect.objectContaining({ code: 'protocol' })]);
  });
});

describe('A8: unknown user, unknown key and wrong signature look alike', () => {
  test('the same bytes, the same question, and a verification each', () => {
    const cases: Parts[] = [
      { username: 'nobody', signature: login.sign(alice, { username: 'nobody' }) },
      { key: stranger.publicKey, signature: login.sign(stranger) },
      { signature: login.sign(stranger, { key: alice.publicKey }) },
      { username: 'nobody', key: stranger.publicKey, signature: login.sign(stranger, { username: 'nobody' }) },
    ];
    const answers = cases.map((parts) => {
      const { sessionId } = login.client;
      login = beginAuthentication();
      expect(login.client.sessionId).not.toEqual(sessionId);
      login.client.send(request(parts));
      expect(login.asked).toHaveLength(1);
      return login.client.inbox;
    });
    expect(answers).toEqual(cases.map(() => [FAILURE]));
  });

  test('queries too', () => {
    for (const parts of [{ key: stranger.publicKey }, { username: 'acme', key: stranger.publicKey }]) {
      login.client.send(request(parts));
    }
    expect(login.client.inbox).toEqual([FAILURE, FAILURE]);
    expect(login.refused.map(({ reason, counted }) => [reason, counted])).toEqual([
      ['key-not-authorized', false],
      ['key-not-authorized', false],
    ]);
  });
});

test('a banner comes after the service is accepted and before the answer', () => {
  login = beginLogin({ banner: 'hello\n' });
  login.client.send(SERVICE_REQUEST);
  login.client.send(request({ method: 'none' }));
  expect(login.client.inbox.map((payload) => payload[0])).toEqual([
    MSG.SERVICE_ACCEPT,
    MSG.USERAUTH_BANNER,
    MSG.USERAUTH_FAILURE,
  ]);
});
