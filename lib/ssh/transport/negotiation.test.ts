import { describe, expect, test } from 'vitest';
import { DEFAULT_ALGORITHMS, USER_SIGNATURE_ALGORITHMS } from './algorithms.ts';
import type { Kexinit } from './kexinit.ts';
import { readKexinit, writeKexinit } from './kexinit.ts';
import { negotiate } from './negotiation.ts';

function peer(changes: Partial<Kexinit> = {}): Kexinit {
  return { ...readKexinit(writeKexinit(DEFAULT_ALGORITHMS, [])), ...changes };
}

test('KEXINIT is read as it was written, and ours has a fresh cookie', () => {
  const written = writeKexinit(DEFAULT_ALGORITHMS, ['ext-info-c']);
  const kexinit = readKexinit(written);
  expect(kexinit.kex).toEqual([...DEFAULT_ALGORITHMS.kex, 'ext-info-c']);
  expect(kexinit.cipherToClient).toEqual(DEFAULT_ALGORITHMS.cipher);
  expect(kexinit.compressionToServer).toEqual(['none']);
  expect(written.subarray(1, 17)).not.toEqual(writeKexinit(DEFAULT_ALGORITHMS, []).subarray(1, 17));
});

test("the client's order wins, in both roles", () => {
  const theirs = peer({ cipherToServer: ['x', 'aes256-ctr', 'aes128-gcm@openssh.com'] });
  expect(negotiate('server', DEFAULT_ALGORITHMS, theirs).cipherToServer).toBe('aes256-ctr');
  expect(negotiate('client', DEFAULT_ALGORITHMS, theirs).cipherToServer).toBe('aes128-gcm@openssh.com');
});

test('a MAC is needed for CTR only', () => {
  const noMac = { macToServer: ['hmac-sha1'], macToClient: ['hmac-sha1'] };
  expect(negotiate('server', DEFAULT_ALGORITHMS, peer(noMac)).macToServer).toBe('');
  expect(() => negotiate('server', DEFAULT_ALGORITHMS, peer({ ...noMac, cipherToServer: ['aes128-ctr'] }))).toThrow(
    'no MAC in common',
  );
});

describe('B2: what is offered', () => {
  const offered = readKexinit(writeKexinit(DEFAULT_ALGORITHMS, []));

  test('is this, whatever is added elsewhere: a hybrid with ML-KEM first, so that no client warns', () => {
    const cipher = ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes256-ctr', 'aes128-ctr'];
    const mac = ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com'];
    expect(offered).toMatchObject({
      kex: ['mlkem768x25519-sha256', 'curve25519-sha256', 'curve25519-sha256@libssh.org'],
      cipherToServer: cipher,
      cipherToClient: cipher,
      macToServer: mac,
      macToClient: mac,
      compressionToServer: ['none'],
      compressionToClient: ['none'],
    });
  });

  // SHA-1 (also behind the bare name ssh-rsa), CBC, stream ciphers, MACs of what is not encrypted, finite-field groups.
  const WEAK = /sha1|ssh-rsa|ssh-dss|md5|cbc|arcfour|3des|umac|ripemd|^hmac-(?!.*-etm@)|diffie-hellman|^none$|zlib/;

  test('is nothing that is broken or bound to be', () => {
    const { compressionToServer, compressionToClient, firstKexPacketFollows, ...algorithms } = offered;
    expect([compressionToServer, compressionToClient, firstKexPacketFollows]).toEqual([['none'], ['none'], false]);
    expect(
      [...Object.values(algorithms).flat(), ...USER_SIGNATURE_ALGORITHMS].filter((name) => WEAK.test(name)),
    ).toEqual([]);
  });
});

describe('B2: nothing in common', () => {
  test.each([
    ['kex', { kex: ['diffie-hellman-group14-sha1'] }],
    ['a marker is no method', { kex: ['kex-strict-s-v00@openssh.com', 'ext-info-s', 'kex-strict-c-v00@openssh.com'] }],
    ['host key', { hostKey: ['ssh-rsa', 'ssh-dss'] }],
    ['cipher', { cipherToClient: ['aes128-cbc', 'chacha20-poly1305@openssh.com'] }],
    ['compression', { compressionToServer: ['zlib', 'zlib@openssh.com'] }],
    ['an empty list', { kex: [] }],
  ])('%s', (_what, changes) => {
    expect(() => negotiate('server', DEFAULT_ALGORITHMS, peer(changes))).toThrow(
      expect.objectContaining({ code: 'key-exchange', disconnectReason: 3 }),
    );
  });
});

test('a guess is right when the first method and the first host key algorithm are', () => {
  const guess = { firstKexPacketFollows: true };
  expect(negotiate('server', DEFAULT_ALGORITHMS, peer()).ignoresGuess).toBe(false);
  expect(negotiate('server', DEFAULT_ALGORITHMS, peer(guess)).ignoresGuess).toBe(false);
  const otherKex = { ...guess, kex: ['sntrup761x25519-sha512', 'curve25519-sha256'] };
  expect(negotiate('server', DEFAULT_ALGORITHMS, peer(otherKex)).ignoresGuess).toBe(true);
  const otherHostKey = { ...guess, hostKey: ['rsa-sha2-512', 'ssh-ed25519'] };
  expect(negotiate('server', DEFAULT_ALGORITHMS, peer(otherHostKey)).ignoresGuess).toBe(true);
});
