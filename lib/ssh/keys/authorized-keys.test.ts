import { describe, expect, test } from 'vitest';
import { PUBLIC_KEYS } from '../testing/public-keys.ts';
import { makeSecurityKey } from '../testing/security-key.ts';
import { parseAuthorizedKeys } from './authorized-keys.ts';
import { PrivateKey } from './private-key.ts';

const { ed25519, ecdsa256, ecdsa384, ecdsa521, rsa2048, rsa1024, dsa, certificate } = PUBLIC_KEYS;

function codesOf(text: string): string[] {
  return parseAuthorizedKeys(text).problems.map(({ line, code }) => `${line}:${code}`);
}

test('every kind of key we take, between comments and empty lines', () => {
  const sk = [makeSecurityKey('ed25519'), makeSecurityKey('ecdsa')].map((key) => key.publicKey.toLine('touch me'));
  const lines = [ed25519.line, ecdsa256.line, ecdsa384.line, ecdsa521.line, rsa2048.line, ...sk];
  const { keys, problems } = parseAuthorizedKeys(`# the team\n\n${lines.join('\r\n\t\n')}\n`);
  expect(problems).toEqual([]);
  expect(keys.map(({ line }) => line)).toEqual(lines);
  expect(keys[0]?.comment).toBe('alice@example');
});

test('space is made single, and a comment is not needed', () => {
  const [type, base64] = ed25519.line.split(' ');
  const { keys } = parseAuthorizedKeys(`  ${type}\t ${base64}   my   laptop \n`);
  expect(keys[0]?.line).toBe(`${type} ${base64} my laptop`);
  expect(parseAuthorizedKeys(`${type} ${base64}`).keys[0]?.line).toBe(`${type} ${base64}`);
});

describe('A6, A7: refused, never stripped', () => {
  test.each([
    ['an option that nobody knows', `no-hurry ${ed25519.line}`, '1:options'],
    ['a certificate', certificate.line, '1:certificate'],
    ['a certificate for an authority', `cert-authority ${certificate.line}`, '1:certificate'],
    ['DSA', dsa.line, '1:unsupported'],
    ['a type of the future', 'ssh-mldsa65 AAAAC3NzaC1tbGRzYTY1 x', '1:unsupported'],
    ['short RSA', rsa1024.line, '1:weak'],
    ['a broken line', ed25519.line.slice(0, 50), '1:malformed'],
    ['a line broken in two', ed25519.line.replace('AAAAI', 'AAAAI\n'), '1:malformed 2:malformed'],
    ['prose', 'please let me in', '1:malformed'],
    ['a byte order mark', `\uFEFF${ed25519.line}`, '1:malformed'],
    ['a control character', `${ed25519.line}\u0007`, '1:malformed'],
    ['text that turns round', `${ed25519.line} \u202Egnp.`, '1:malformed'],
    ['two keys in one line', `${ed25519.line} ${rsa2048.line}`, '1:malformed'],
    ['a very long line', `${ed25519.line} ${'x'.repeat(20_000)}`, '1:malformed'],
    ['the same key twice', `${ed25519.line}\n${ed25519.line} again`, '2:duplicate'],
    ['the SSH2 format', '---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----', '1:malformed'],
  ])('%s', (_what, text, problems) => {
    expect(codesOf(text).join(' ')).toBe(problems);
  });

  test('a line beside a bad one is still read', () => {
    const { keys, problems } = parseAuthorizedKeys(`${dsa.line}\n${ed25519.line}\nnonsense`);
    expect(keys.map(({ key }) => key.fingerprint)).toEqual([ed25519.fingerprint]);
    expect(problems.map(({ line }) => line)).toEqual([1, 3]);
  });
});

describe('A7: a private key', () => {
  const pem = PrivateKey.generateEd25519().toOpenSsh();

  test('is one problem, its lines are never shown, and what follows is read', () => {
    const { keys, problems } = parseAuthorizedKeys(`${pem}\n${ed25519.line}`);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ line: 1, code: 'private-key' });
    expect(keys).toHaveLength(1);
    for (const line of pem.split('\n').slice(1, -2)) expect(problems[0]?.message).not.toContain(line);
  });

  test.each([
    ['without its end', pem.replace(/-----END[^]*/, '')],
    ['on one line', pem.replaceAll('\n', ' ')],
    ['of PEM', '-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----'],
    ['of PuTTY', 'PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-MAC: 00'],
    ['behind a key type', `ssh-ed25519 -----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----`],
  ])('%s', (_what, text) => {
    expect(codesOf(text)).toEqual(['1:private-key']);
  });
});

describe('A7b: whoever writes the text does not choose how long we work', () => {
  test('a megabyte of blanks inside a line', () => {
    expect(codesOf(`x${' '.repeat(1_000_000)}x\n${ed25519.line}`)).toEqual(['1:malformed']);
    expect(codesOf(`x${'\t '.repeat(500_000)}x`)).toEqual(['1:malformed']);
  });

  test('more lines than anybody has keys: the rest is not read, and that is said', () => {
    const { keys, problems } = parseAuthorizedKeys(`${'\n'.repeat(999)}${ed25519.line}\n${rsa2048.line}\n`);
    expect(keys.map(({ key }) => key.type)).toEqual(['ssh-ed25519']);
    expect(problems).toEqual([{ line: 1001, code: 'malformed', message: expect.stringContaining('not read') }]);
    expect(parseAuthorizedKeys('x\n'.repeat(500_000)).problems).toHaveLength(1001);
  });
});
