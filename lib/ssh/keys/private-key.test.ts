import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sshKeygen, temporaryDirectory } from '../testing/openssh.ts';
import { Reader, Writer } from '../wire.ts';
import { PrivateKey } from './private-key.ts';
import { PublicKey } from './public-key.ts';

const data = Buffer.from('what is signed');
const directory = temporaryDirectory();
afterAll(() => directory.remove());

describe('keys that ssh-keygen makes', () => {
  test.each([
    ['ed25519', ['-t', 'ed25519'], ['ssh-ed25519']],
    ['ecdsa256', ['-t', 'ecdsa', '-b', '256'], ['ecdsa-sha2-nistp256']],
    ['ecdsa384', ['-t', 'ecdsa', '-b', '384'], ['ecdsa-sha2-nistp384']],
    ['ecdsa521', ['-t', 'ecdsa', '-b', '521'], ['ecdsa-sha2-nistp521']],
    ['rsa', ['-t', 'rsa', '-b', '2048'], ['rsa-sha2-512', 'rsa-sha2-256']],
    ['rsa-pkcs8', ['-t', 'rsa', '-b', '2048', '-m', 'PKCS8'], ['rsa-sha2-512', 'rsa-sha2-256']],
  ])('%s: the public half, and signatures that verify', (name, type, algorithms) => {
    const made = sshKeygen(directory.path, name, type);
    const key = PrivateKey.parse(made.privateKey);
    expect(key.publicKey.toLine(name)).toBe(made.publicLine);
    expect(key.publicKey.signatureAlgorithms).toEqual(algorithms);
    // Several times: the numbers of an ECDSA signature vary in length.
    for (let round = 0; round < 16; round++) {
      const message = Buffer.from(`message ${round}`);
      for (const algorithm of algorithms) {
        expect(PublicKey.fromLine(made.publicLine).verify(algorithm, message, key.sign(algorithm, message))).toBe(true);
      }
    }
  });

  test('one with a passphrase is refused with a sentence', () => {
    const path = join(directory.path, 'locked');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'secret', '-f', path]);
    const text = execFileSync('cat', [path], { encoding: 'utf8' });
    expect(() => PrivateKey.parse(text)).toThrow('passphrase');
  });

  test('ssh-keygen reads what we write', () => {
    const key = PrivateKey.generateEd25519();
    const path = join(directory.path, 'ours');
    writeFileSync(path, key.toOpenSsh('made here'));
    chmodSync(path, 0o600);
    const line = execFileSync('ssh-keygen', ['-y', '-f', path], { encoding: 'utf8' }).trim();
    expect(line).toBe(key.publicKey.toLine('made here'));
    expect(PrivateKey.parse(key.toOpenSsh()).publicKey.equals(key.publicKey)).toBe(true);
  });
});

describe('PKCS#8', () => {
  test('ed25519', () => {
    const { privateKey } = generateKeyPairSync('ed25519', {
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    const key = PrivateKey.parse(privateKey);
    expect(key.publicKey.verify('ssh-ed25519', data, key.sign('ssh-ed25519', data))).toBe(true);
  });

  test.each([
    '',
    'no key',
    '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----',
    '-----BEGIN RSA PRIVATE KEY-----',
  ])('what is no key is refused: %s', (text) => {
    expect(() => PrivateKey.parse(text)).toThrow(expect.objectContaining({ code: 'key' }));
  });
});

describe('a damaged openssh-key-v1', () => {
  const key = PrivateKey.generateEd25519();
  const lines = key.toOpenSsh().trim().split('\n');
  const body = Buffer.from(lines.slice(1, -1).join(''), 'base64');
  const wrap = (bytes: Buffer): string => [lines[0], bytes.toString('base64'), lines.at(-1)].join('\n');

  test('in any byte never becomes another key', () => {
    for (let at = 0; at < body.length; at++) {
      const changed = Buffer.from(body);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      let parsed: PrivateKey | undefined;
      try {
        parsed = PrivateKey.parse(wrap(changed));
      } catch (error) {
        expect(error).toMatchObject({ code: 'key' });
      }
      // KDF options are not used without a cipher; everything else is covered by a check.
      if (parsed !== undefined) expect(parsed.publicKey.equals(key.publicKey)).toBe(true);
    }
  });

  test('or a truncated one is refused', () => {
    for (let length = 0; length < body.length; length++) {
      expect(() => PrivateKey.parse(wrap(body.subarray(0, length)))).toThrow(expect.objectContaining({ code: 'key' }));
    }
  });
});

describe('RSA', () => {
  let key: PrivateKey;
  let nodeKey: ReturnType<typeof generateKeyPairSync>['privateKey'];
  beforeAll(() => {
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
    nodeKey = pair.privateKey;
    key = PrivateKey.parse(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  });

  test('a SHA-1 signature is refused under every name', () => {
    const value = sign('sha1', data, nodeKey);
    for (const algorithm of ['ssh-rsa', 'rsa-sha2-256', 'rsa-sha2-512']) {
      for (const format of ['ssh-rsa', algorithm]) {
        expect(key.publicKey.verify(algorithm, data, new Writer().string(format).string(value).bytes())).toBe(false);
      }
    }
  });

  test('a signature of one hash is not one of the other', () => {
    expect(key.publicKey.verify('rsa-sha2-256', data, key.sign('rsa-sha2-512', data))).toBe(false);
    const reader = new Reader(key.sign('rsa-sha2-512', data));
    reader.name();
    const renamed = new Writer().string('rsa-sha2-256').string(reader.string()).bytes();
    expect(key.publicKey.verify('rsa-sha2-256', data, renamed)).toBe(false);
  });
});

test('D8: a private key does not show itself, and signs only with its own algorithms', () => {
  const key = PrivateKey.generateEd25519();
  expect(inspect(key, { depth: 9, showHidden: true })).not.toContain('PRIVATE');
  expect(JSON.stringify(key)).not.toMatch(/"d"|PRIVATE/);
  expect(() => key.sign('rsa-sha2-256', data)).toThrow(expect.objectContaining({ code: 'internal' }));
});
