import { describe, expect, test } from 'vitest';
import { PUBLIC_KEYS } from '../testing/public-keys.ts';
import { makeSecurityKey } from '../testing/security-key.ts';
import { Reader, Writer } from '../wire.ts';
import { PrivateKey } from './private-key.ts';
import { PublicKey } from './public-key.ts';

const { ed25519, ecdsa256, ecdsa384, ecdsa521, rsa2048, rsa1024, dsa, certificate } = PUBLIC_KEYS;
const data = Buffer.from('what is signed');

describe('reading', () => {
  test.each([ed25519, ecdsa256, ecdsa384, ecdsa521, rsa2048])(
    '$line has the fingerprint ssh-keygen prints',
    (known) => {
      const key = PublicKey.fromLine(known.line);
      expect(key.fingerprint).toBe(known.fingerprint);
      expect(key.toLine(known.line.split(' ')[2])).toBe(known.line);
      expect(PublicKey.fromBlob(key.blob).equals(key)).toBe(true);
    },
  );

  test.each([
    [rsa1024.line, 'weak-key'],
    [dsa.line, 'unsupported-key'],
    [certificate.line, 'unsupported-key'],
    [ed25519.line.replace('ssh-ed25519', 'ssh-rsa'), 'key'],
    [ed25519.line.slice(0, 60), 'key'],
    [ed25519.line.replace('AAAA', 'AAA!'), 'key'],
    ['ssh-ed25519', 'key'],
    [`restrict ${ed25519.line}`, 'key'],
    ['', 'key'],
  ])('%s is refused as %s', (line, code) => {
    expect(() => PublicKey.fromLine(line)).toThrow(expect.objectContaining({ code }));
  });

  test('C8: blanks by the ten thousand, and a line break behind them, take no longer than any other line', () => {
    // A minute, where each of the blanks is tried as the last one.
    expect(() => PublicKey.fromLine(`a A${' '.repeat(100_000)}\nx`)).toThrow('reads');
    expect(PublicKey.fromLine(`${ed25519.line}${' \t'.repeat(50_000)}`).fingerprint).toBe(ed25519.fingerprint);
  });

  test('B5: bytes after the end, and every truncation, are refused', () => {
    for (const { line } of [ed25519, ecdsa256, rsa2048]) {
      const { blob } = PublicKey.fromLine(line);
      expect(() => PublicKey.fromBlob(Buffer.concat([blob, Buffer.of(0)]))).toThrow('damaged');
      for (let length = 0; length < blob.length; length++) {
        expect(() => PublicKey.fromBlob(blob.subarray(0, length))).toThrow(/damaged|bits|supported/);
      }
    }
  });

  test('a point that is not on the curve is refused', () => {
    const blob = Buffer.from(PublicKey.fromLine(ecdsa256.line).blob);
    blob.writeUInt8(blob.readUInt8(blob.length - 1) ^ 1, blob.length - 1);
    expect(() => PublicKey.fromBlob(blob)).toThrow('damaged');
  });

  test.each([
    ['an exponent of 1', '01'],
    ['an even exponent', '010000'],
    ['a huge exponent', '01'.repeat(9)],
    ['no exponent', ''],
  ])('RSA with %s is refused', (_what, exponent) => {
    const reader = new Reader(PublicKey.fromLine(rsa2048.line).blob);
    reader.name();
    reader.mpint();
    const blob = new Writer().string('ssh-rsa').mpint(Buffer.from(exponent, 'hex')).mpint(reader.mpint()).bytes();
    expect(() => PublicKey.fromBlob(blob)).toThrow('damaged');
  });

  test('an RSA key of 16384 bits is refused: each verification would be an attack', () => {
    const modulus = Buffer.alloc(2048, 0xff);
    const blob = new Writer().string('ssh-rsa').mpint(Buffer.from('010001', 'hex')).mpint(modulus).bytes();
    expect(() => PublicKey.fromBlob(blob)).toThrow(expect.objectContaining({ code: 'unsupported-key' }));
  });

  test('the key keeps its own copy of the blob', () => {
    const blob = Buffer.from(PublicKey.fromLine(ed25519.line).blob);
    const key = PublicKey.fromBlob(blob);
    blob.fill(0);
    expect(key.toLine('alice@example')).toBe(ed25519.line);
  });

  test('equality', () => {
    const key = PublicKey.fromLine(ed25519.line);
    expect(key.equals(PublicKey.fromLine(`${ed25519.line} other comment`))).toBe(true);
    expect(key.equals(PrivateKey.generateEd25519().publicKey)).toBe(false);
    expect(key.equals(PublicKey.fromLine(rsa2048.line))).toBe(false);
  });
});

describe('verifying', () => {
  test('nothing hostile throws: every truncation and flipped bit of a signature is just wrong', () => {
    const key = PrivateKey.generateEd25519();
    const signature = key.sign('ssh-ed25519', data);
    const { publicKey } = key;
    expect(publicKey.verify('ssh-ed25519', data, signature)).toBe(true);
    expect(publicKey.verify('ssh-ed25519', Buffer.from('something else'), signature)).toBe(false);
    expect(publicKey.verify('ssh-ed25519', data, Buffer.concat([signature, Buffer.of(0)]))).toBe(false);
    for (let at = 0; at < signature.length; at++) {
      expect(publicKey.verify('ssh-ed25519', data, signature.subarray(0, at))).toBe(false);
      const flipped = Buffer.from(signature);
      flipped.writeUInt8(flipped.readUInt8(at) ^ 4, at);
      expect(publicKey.verify('ssh-ed25519', data, flipped)).toBe(false);
    }
  });

  test("A1: the algorithm must be the key's and the signature's", () => {
    const key = PrivateKey.generateEd25519();
    const signature = key.sign('ssh-ed25519', data);
    for (const algorithm of ['ssh-rsa', 'rsa-sha2-256', 'ecdsa-sha2-nistp256', 'sk-ssh-ed25519@openssh.com', '']) {
      expect(key.publicKey.verify(algorithm, data, signature)).toBe(false);
    }
    const renamed = new Writer()
      .string('rsa-sha2-256')
      .raw(signature.subarray(4 + 'ssh-ed25519'.length))
      .bytes();
    expect(key.publicKey.verify('ssh-ed25519', data, renamed)).toBe(false);
  });
});

describe.each(['ed25519', 'ecdsa'] as const)('a security key with %s', (kind) => {
  const key = makeSecurityKey(kind);
  const { type } = key.publicKey;

  test('verifies when a human was there', () => {
    expect(PublicKey.fromLine(key.publicKey.toLine()).equals(key.publicKey)).toBe(true);
    expect(key.publicKey.verify(type, data, key.sign(data))).toBe(true);
    expect(key.publicKey.verify(type, data, key.sign(data, { flags: 5, counter: 0xffffffff }))).toBe(true);
  });

  test('A1: is refused without a human, for another application, or with a changed counter', () => {
    expect(key.publicKey.verify(type, data, key.sign(data, { flags: 0 }))).toBe(false);
    expect(key.publicKey.verify(type, data, key.sign(data, { flags: 4 }))).toBe(false);
    expect(key.publicKey.verify(type, data, key.sign(data, { application: 'ssh:other' }))).toBe(false);
    const changed = Buffer.from(key.sign(data));
    changed.writeUInt32BE(8, changed.length - 4);
    expect(key.publicKey.verify(type, data, changed)).toBe(false);
    expect(key.publicKey.verify(type, data, Buffer.concat([key.sign(data), Buffer.of(0)]))).toBe(false);
  });
});
