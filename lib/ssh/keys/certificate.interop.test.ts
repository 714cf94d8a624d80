import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certificateOfLine } from '../testing/certificates.ts';
import { type GeneratedKey, openSsh, sshKeygen, temporaryDirectory } from '../testing/openssh.ts';
import { PublicKey } from './public-key.ts';

const TYPES: Readonly<Record<string, readonly string[]>> = {
  ed25519: ['-t', 'ed25519'],
  ecdsa256: ['-t', 'ecdsa', '-b', '256'],
  ecdsa384: ['-t', 'ecdsa', '-b', '384'],
  ecdsa521: ['-t', 'ecdsa', '-b', '521'],
  rsa: ['-t', 'rsa', '-b', '2048'],
};
const NAMES = Object.keys(TYPES);

describe('certificates of ssh-keygen', { timeout: 60_000 }, () => {
  const directory = temporaryDirectory();
  const keys = new Map<string, GeneratedKey>();
  const keyOf = (name: string): GeneratedKey => keys.get(name) ?? { path: '', privateKey: '', publicLine: '' };

  beforeAll(() => {
    for (const [name, type] of Object.entries(TYPES)) {
      keys.set(name, sshKeygen(directory.path, name, type));
      keys.set(`ca-${name}`, sshKeygen(directory.path, `ca-${name}`, type));
    }
  }, 60_000);
  afterAll(() => directory.remove());

  function certify(name: string, authority: string, options: readonly string[] = []): string {
    const args = ['-q', '-s', keyOf(authority).path, '-I', 'the id', '-n', 'acme,dev', '-z', '7'];
    execFileSync(openSsh('ssh-keygen'), [...args, ...options, `${keyOf(name).path}.pub`]);
    return readFileSync(join(directory.path, `${name}-cert.pub`), 'utf8');
  }

  test.each(NAMES.map((name, index) => [name, `ca-${NAMES[(index + 1) % NAMES.length] ?? ''}`]))(
    'of %s, by %s',
    (name, authority) => {
      const certificate = certificateOfLine(certify(name, authority));
      expect(certificate.key.equals(PublicKey.fromLine(keyOf(name).publicLine))).toBe(true);
      expect(certificate.authority.equals(PublicKey.fromLine(keyOf(authority).publicLine))).toBe(true);
      expect(certificate).toMatchObject({ keyId: 'the id', serial: 7n, principals: ['acme', 'dev'], isForUsers: true });
      expect(certificate.options).toMatchObject({ expiresAt: Infinity, pty: true, portForwarding: true });
    },
  );

  test('with every option that it has', () => {
    const options = ['clear', 'permit-pty', 'no-touch-required', 'verify-required', 'force-command=ls -l'];
    const line = certify('ed25519', 'ca-ed25519', [
      ...[...options, 'source-address=192.0.2.0/24,2001:db8::/32'].flatMap((option) => ['-O', option]),
      '-V',
      '20300101:20300102',
    ]);
    const certificate = certificateOfLine(line);
    expect(certificate.options).toMatchObject({
      pty: true,
      portForwarding: false,
      agentForwarding: false,
      x11Forwarding: false,
      command: 'ls -l',
      touchRequired: false,
      verifyRequired: true,
    });
    expect(certificate.options?.from).toHaveLength(1);
    expect((certificate.options?.expiresAt ?? 0) - certificate.validAfter).toBe(86_400_000);
  });

  test('of a host, and with an option that only another knows', () => {
    expect(certificateOfLine(certify('rsa', 'ca-rsa', ['-h'])).isForUsers).toBe(false);
    const unknown = certify('rsa', 'ca-rsa', ['-O', 'critical:hurry=yes']);
    expect(certificateOfLine(unknown).options).toBeUndefined();
    const extension = certify('rsa', 'ca-rsa', ['-O', 'extension:hurry@example.com=yes']);
    expect(certificateOfLine(extension).options).toBeDefined();
  });
});
