import { describe, expect, test } from 'vitest';
import { Reader } from '../../wire.ts';
import { curve25519 } from './curve25519.ts';
import { keyExchangeMethod } from './method.ts';
import { mlkem768x25519 } from './mlkem768x25519.ts';

describe.each([
  ['curve25519-sha256', curve25519, 32, 32],
  ['mlkem768x25519-sha256', mlkem768x25519, 1216, 1120],
] as const)('%s', (name, method, clientLength, serverLength) => {
  test('both sides find the same secret, a new one each time', () => {
    expect(keyExchangeMethod(name)).toBe(method);
    const secrets = new Set<string>();
    // Many rounds: secrets with leading zeros or a set highest bit are encoded differently as mpints.
    for (let round = 0; round < 64; round++) {
      const client = method.begin();
      const server = method.answer(client.publicValue);
      expect(client.publicValue).toHaveLength(clientLength);
      expect(server.reply).toHaveLength(serverLength);
      const secret = client.finish(server.reply);
      expect(secret).toEqual(server.secret);
      secrets.add(secret.toString('hex'));
    }
    expect(secrets.size).toBe(64);
  });

  test('wrong lengths are refused on both sides', () => {
    for (const length of [0, 1, clientLength - 1, clientLength + 1]) {
      expect(() => method.answer(Buffer.alloc(length, 9))).toThrow(expect.objectContaining({ code: 'key-exchange' }));
    }
    for (const length of [0, 1, serverLength - 1, serverLength + 1]) {
      expect(() => method.begin().finish(Buffer.alloc(length, 9))).toThrow(
        expect.objectContaining({ code: 'key-exchange' }),
      );
    }
  });

  // RFC 7748 §6.1: points of low order lead to an all-zero secret.
  test.each([
    ['0', Buffer.alloc(32)],
    ['1', Buffer.concat([Buffer.of(1), Buffer.alloc(31)])],
    ['order 8', Buffer.from('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800', 'hex')],
  ])('the X25519 point %s is refused on both sides', (_what, point) => {
    const client = method.begin();
    const hostileClient = Buffer.concat([client.publicValue.subarray(0, clientLength - 32), point]);
    expect(() => method.answer(hostileClient)).toThrow(expect.objectContaining({ code: 'key-exchange' }));
    const { reply } = method.answer(client.publicValue);
    const hostileServer = Buffer.concat([reply.subarray(0, serverLength - 32), point]);
    expect(() => client.finish(hostileServer)).toThrow(expect.objectContaining({ code: 'key-exchange' }));
  });
});

test('an ML-KEM key that is not reduced is refused (FIPS 203 §7.2)', () => {
  const { publicValue } = mlkem768x25519.begin();
  publicValue.fill(0xff, 0, 1184);
  expect(() => mlkem768x25519.answer(publicValue)).toThrow(expect.objectContaining({ code: 'key-exchange' }));
});

test('the hybrid secret is a string of 32 bytes, the other an mpint', () => {
  expect(new Reader(mlkem768x25519.answer(mlkem768x25519.begin().publicValue).secret).string()).toHaveLength(32);
  const { secret } = curve25519.answer(curve25519.begin().publicValue);
  const reader = new Reader(secret);
  expect(reader.mpint().length).toBeLessThanOrEqual(32);
  reader.end();
});
