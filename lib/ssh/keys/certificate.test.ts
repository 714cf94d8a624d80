import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { SshError } from '../errors.ts';
import { alice, root, rsa, stranger } from '../testing/login-session.ts';
import { FOREVER, flag, makeCertificate, option } from '../testing/certificates.ts';
import type { CertificateParts } from '../testing/certificates.ts';
import { makeRandom } from '../testing/random.ts';
import { makeSecurityKey } from '../testing/security-key.ts';
import { Writer } from '../wire.ts';
import { authorization } from './authorization.ts';
import { parseAuthorizedKeys } from './authorized-keys.ts';
import { Certificate } from './certificate.ts';
import { UNRESTRICTED } from './key-options.ts';

const NOW = Date.UTC(2030, 0, 1);
const seconds = BigInt(NOW / 1000);
const ca = root;
/** On a loaded machine. */
const SLOW = { timeout: 60_000 };

function errorOf(blob: Buffer): unknown {
  try {
    return Certificate.fromBlob(blob);
  } catch (error) {
    return error;
  }
}

const blobOf = (parts: Partial<CertificateParts> = {}): Buffer =>
  makeCertificate({ key: alice.publicKey, authority: ca, ...parts });

/** What comes of a certificate for "acme", by the lines of a Secret. */
function judge(
  parts: Partial<CertificateParts> = {},
  lines = `cert-authority ${ca.publicKey.toLine()}`,
  { address = '192.0.2.7', now = NOW, username = 'acme' } = {},
) {
  const { keys, problems } = parseAuthorizedKeys(lines);
  expect(problems).toEqual([]);
  const certificate = Certificate.fromBlob(blobOf(parts));
  return authorization(keys, { username, key: certificate.key, certificate, address }, now);
}

test('C4: what it says is read, and fit to be shown', () => {
  const certificate = Certificate.fromBlob(
    blobOf({ serial: 0xffff_ffff_ffff_ffffn, keyId: 'alice\n{"event":"start"}\u202E', validBefore: seconds }),
  );
  expect(certificate.key.equals(alice.publicKey)).toBe(true);
  expect(certificate.authority.equals(ca.publicKey)).toBe(true);
  expect(certificate.serial).toBe(18_446_744_073_709_551_615n);
  expect(certificate.keyId).toBe('alice?{"event":"start"}?');
  expect(certificate.options?.expiresAt).toBe(NOW);
  expect(Certificate.fromBlob(blobOf({ keyId: 'x'.repeat(10_000) })).keyId).toHaveLength(255);
  expect(Certificate.fromBlob(blobOf()).options).toEqual(UNRESTRICTED);
});

describe('A6: a certificate lets in whom it names, while it is valid', () => {
  test('with everything that it permits', () => {
    expect(judge()).toEqual({ ...UNRESTRICTED });
  });

  test.each<[string, Partial<CertificateParts>, string]>([
    ['of a host', { type: 2 }, 'certificate-of-a-host'],
    ['of no known type', { type: 0 }, 'certificate-of-a-host'],
    ['for nobody: not for everybody', { principals: [] }, 'principal'],
    ['for somebody else', { principals: ['acme2', 'acm', 'ACME', 'acme ', ''] }, 'principal'],
    ['for a list in one name', { principals: ['acme,root', 'root,acme'] }, 'principal'],
    ['for a pattern', { principals: ['*', 'acm?', 'a*'] }, 'principal'],
    ['not yet valid', { validAfter: seconds + 1n }, 'not-yet-valid'],
    ['expired', { validBefore: seconds }, 'expired'],
    ['never valid', { validAfter: seconds, validBefore: seconds }, 'expired'],
    ['never yet valid', { validAfter: FOREVER }, 'not-yet-valid'],
    ['with an unknown critical option', { critical: [flag('hurry')] }, 'certificate-options'],
    ['with an extension as a critical option', { critical: [flag('permit-pty')] }, 'certificate-options'],
    [
      'with a critical option twice',
      { critical: [flag('verify-required'), flag('verify-required')] },
      'certificate-options',
    ],
    ['with damaged networks', { critical: [option('source-address', '*')] }, 'certificate-options'],
    ['with no networks', { critical: [option('source-address', '')] }, 'certificate-options'],
    ['forcing nothing', { critical: [option('force-command', '')] }, 'certificate-options'],
    ['forcing a cursor', { critical: [option('force-command', 'a\u001B[2J')] }, 'certificate-options'],
    ['with a flag that has a value', { critical: [option('verify-required', 'no')] }, 'certificate-options'],
    ['with an extension that has a value', { extensions: [option('permit-pty', 'no')] }, 'certificate-options'],
    ['for another address', { critical: [option('source-address', '198.51.100.0/24,::/0')] }, 'address'],
    ['of an authority that nobody trusts', { authority: stranger }, 'unknown'],
  ])('%s: refused', (_what, parts, expected) => {
    expect(judge(parts)).toBe(expected);
  });

  test('to the second', () => {
    const parts = { validAfter: seconds, validBefore: seconds + 1n };
    expect(judge(parts)).toMatchObject({ expiresAt: NOW + 1000 });
    expect(judge(parts, undefined, { now: NOW + 999 })).toMatchObject({ expiresAt: NOW + 1000 });
    expect(judge(parts, undefined, { now: NOW + 1000 })).toBe('expired');
    expect(judge(parts, undefined, { now: NOW - 1 })).toBe('not-yet-valid');
  });

  test('its own options, and the extensions that it does not have, restrict', () => {
    const critical = [
      option('force-command', 'uptime'),
      option('source-address', '192.0.2.0/24'),
      flag('verify-required'),
    ];
    expect(
      judge({ critical, extensions: [flag('permit-pty'), flag('no-touch-required'), flag('future@example.com')] }),
    ).toEqual({
      ...UNRESTRICTED,
      command: 'uptime',
      from: [expect.any(Array)],
      portForwarding: false,
      agentForwarding: false,
      x11Forwarding: false,
      // Only where the line says so, too.
      touchRequired: true,
      verifyRequired: true,
    });
    expect(judge({ extensions: [] })).toMatchObject({ pty: false });
  });
});

describe('A6: the line of an authority', () => {
  const line = (options: string) => `cert-authority${options} ${ca.publicKey.toLine()}`;

  test('names principals in place of the username', () => {
    const principals = line(',principals="ops,dev"');
    expect(judge({}, principals)).toBe('principal');
    expect(judge({ principals: ['x', 'dev'] }, principals)).toMatchObject({ pty: true });
    expect(judge({ principals: ['ops,dev'] }, principals)).toBe('principal');
    expect(judge({ principals: [] }, principals)).toBe('principal');
  });

  test('restricts with its own options, and the stricter of two counts', () => {
    const both = judge(
      { validBefore: seconds + 9n },
      line(',no-pty,from="192.0.2.0/24",expiry-time="20300101000005Z"'),
    );
    expect(both).toMatchObject({ pty: false, expiresAt: NOW + 5000 });
    expect(judge({}, line(',from="198.51.100.7"'))).toBe('address');
    expect(judge({}, line(',expiry-time="20291231"'))).toBe('expired');
    const untouched = { extensions: [flag('no-touch-required')] };
    expect(judge(untouched, line(',no-touch-required'))).toMatchObject({ touchRequired: false });
    expect(judge({}, line(',no-touch-required'))).toMatchObject({ touchRequired: true });
  });

  test('that forces another command than the certificate lets nobody in', () => {
    const critical = [option('force-command', 'uptime')];
    expect(judge({ critical }, line(',command="uptime"'))).toMatchObject({ command: 'uptime' });
    expect(judge({ critical }, line(',command="date"'))).toBe('forced-commands-differ');
    expect(judge({}, line(',command="date"'))).toMatchObject({ command: 'date' });
  });

  test('lets no key in: not its own, and no certified one without its certificate', () => {
    const { keys } = parseAuthorizedKeys(line(''));
    const offer = { username: 'acme', address: '192.0.2.7' };
    for (const { publicKey } of [ca, alice])
      expect(authorization(keys, { ...offer, key: publicKey }, NOW)).toBe('unknown');
  });

  test('must say so: the line of a key trusts no certificate, of that key or signed by it', () => {
    expect(judge({}, ca.publicKey.toLine())).toBe('unknown');
    expect(judge({}, alice.publicKey.toLine())).toBe('unknown');
  });
});

test('the first line that is met in everything counts; else the nearest objection is told', () => {
  const { keys } = parseAuthorizedKeys(
    `from="198.51.100.7" ${alice.publicKey.toLine()}\nno-pty ${alice.publicKey.toLine()}\n${alice.publicKey.toLine()}`,
  );
  const offer = { username: 'acme', key: alice.publicKey, address: '192.0.2.7' };
  expect(authorization(keys, offer, NOW)).toMatchObject({ pty: false });
  expect(authorization(keys.slice(0, 1), offer, NOW)).toBe('address');
  expect(authorization(keys, { ...offer, address: '198.51.100.7' }, NOW)).toMatchObject({ pty: true });
});

describe('A6: what no authority has signed is no certificate', () => {
  test.each<[string, Partial<CertificateParts>]>([
    ['signed by another key', { sign: (signed) => stranger.sign('ssh-ed25519', signed) }],
    ['signed by the key that it certifies', { sign: (signed) => alice.sign('ssh-ed25519', signed) }],
    ['signed over something else', { sign: () => ca.sign('ssh-ed25519', Buffer.from('x')) }],
    ['without a signature', { sign: () => Buffer.alloc(0) }],
    ['of an authority that is a certificate', { signatureKey: blobOf() }],
    ['of an authority of no kind', { signatureKey: Buffer.from('x') }],
    [
      'signed with SHA-1',
      {
        authority: rsa,
        sign: (signed) => new Writer().string('ssh-rsa').string(createHash('sha1').update(signed).digest()).bytes(),
      },
    ],
    ['with more principals than anybody has', { principals: Array.from({ length: 257 }, () => 'acme') }],
    ['with a principal of 300 bytes', { principals: ['x'.repeat(300)] }],
  ])('%s', (_what, parts) => {
    expect(() => Certificate.fromBlob(blobOf(parts))).toThrow(/not signed|damaged|not supported|too many/);
  });

  test('one with any bit changed, cut anywhere, or with bytes behind it', SLOW, () => {
    const blob = blobOf();
    expect(() => Certificate.fromBlob(Buffer.concat([blob, Buffer.of(0)]))).toThrow('damaged');
    for (let at = 0; at < blob.length; at++) {
      expect(errorOf(blob.subarray(0, at))).toBeInstanceOf(SshError);
      const changed = Buffer.from(blob);
      changed.writeUInt8(changed.readUInt8(at) ^ (1 << (at % 8)), at);
      expect(errorOf(changed)).toBeInstanceOf(SshError);
    }
  });

  test('2,000 mutations: each is refused, none throws anything else', SLOW, () => {
    const random = makeRandom(8);
    const blob = blobOf({ key: rsa.publicKey });
    for (let round = 0; round < 2_000; round++) {
      const mutated = Buffer.concat(random.mutate(Buffer.from(blob)));
      if (!mutated.equals(blob)) expect(errorOf(mutated)).toBeInstanceOf(SshError);
    }
  });
});

test('a certified key signs by the name of its certificate, and only so', () => {
  const data = Buffer.from('data');
  const certificate = Certificate.fromBlob(blobOf());
  const signature = alice.sign('ssh-ed25519', data);
  expect(certificate.signatureAlgorithms).toEqual(['ssh-ed25519-cert-v01@openssh.com']);
  expect(certificate.verify('ssh-ed25519-cert-v01@openssh.com', data, signature)).toBe(true);
  expect(certificate.verify('ssh-ed25519', data, signature)).toBe(false);
  expect(certificate.verify('', data, signature)).toBe(false);
  const ofRsa = Certificate.fromBlob(blobOf({ key: rsa.publicKey }));
  expect(ofRsa.signatureAlgorithms).toEqual(['rsa-sha2-512-cert-v01@openssh.com', 'rsa-sha2-256-cert-v01@openssh.com']);
  const sha256 = rsa.sign('rsa-sha2-256', data);
  expect(ofRsa.verify('rsa-sha2-256-cert-v01@openssh.com', data, sha256)).toBe(true);
  expect(ofRsa.verify('rsa-sha2-512-cert-v01@openssh.com', data, sha256)).toBe(false);
  expect(ofRsa.verify('ssh-rsa-cert-v01@openssh.com', data, sha256)).toBe(false);
});

test.each(['ed25519', 'ecdsa'] as const)('a certified security key with %s, and one as the authority', (kind) => {
  const data = Buffer.from('data');
  const key = makeSecurityKey(kind);
  const certificate = Certificate.fromBlob(blobOf({ key: key.publicKey }));
  const [algorithm = ''] = certificate.signatureAlgorithms;
  expect(algorithm).toMatch(/^sk-.*-cert-v01@openssh\.com$/);
  expect(certificate.verify(algorithm, data, key.sign(data))).toBe(true);
  const verified = { touchRequired: true, verifyRequired: true };
  expect(certificate.verify(algorithm, data, key.sign(data), verified)).toBe(false);
  expect(certificate.verify(algorithm, data, key.sign(data, { flags: 5 }), verified)).toBe(true);
  const signed = { signatureKey: key.publicKey.blob, sign: (bytes: Buffer) => key.sign(bytes) };
  expect(Certificate.fromBlob(blobOf(signed)).authority.equals(key.publicKey)).toBe(true);
});
