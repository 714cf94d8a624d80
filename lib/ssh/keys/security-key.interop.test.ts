import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openSsh, temporaryDirectory } from '../testing/openssh.ts';
import type { SoftSecurityKey } from '../testing/security-key.ts';
import { makeSecurityKey } from '../testing/security-key.ts';
import { Writer } from '../wire.ts';

const directory = temporaryDirectory();
afterAll(() => directory.remove());

const MESSAGE = 'hello';

/** OpenSSH PROTOCOL.sshsig: the one way to have ssh-keygen verify a signature. */
function sshSignature(key: SoftSecurityKey, flags: number): string {
  const parts = new Writer().string('test').string('').string('sha512');
  const digest = createHash('sha512').update(MESSAGE).digest();
  const signed = new Writer().raw(Buffer.from('SSHSIG')).raw(parts.bytes()).string(digest).bytes();
  const blob = new Writer()
    .raw(Buffer.from('SSHSIG'))
    .uint32(1)
    .string(key.publicKey.blob)
    .raw(parts.bytes())
    .string(key.sign(signed, { flags }))
    .bytes();
  const lines = blob.toString('base64').match(/.{1,70}/g) ?? [];
  return ['-----BEGIN SSH SIGNATURE-----', ...lines, '-----END SSH SIGNATURE-----', ''].join('\n');
}

// Our verifier is tested with signatures of our own security key in software: this shows that OpenSSH reads them alike.
describe.each(['ed25519', 'ecdsa'] as const)('ssh-keygen and a security key with %s', (kind) => {
  const key = makeSecurityKey(kind);
  const verify = (signature: string): number | null => {
    const signers = join(directory.path, 'allowed_signers');
    const path = join(directory.path, 'signature');
    writeFileSync(signers, `me ${key.publicKey.toLine()}\n`);
    writeFileSync(path, signature);
    const options = ['-Y', 'verify', '-f', signers, '-I', 'me', '-n', 'test', '-s', path];
    return spawnSync(openSsh('ssh-keygen'), options, { input: MESSAGE }).status;
  };

  test('the signature verifies there too', () => {
    expect(verify(sshSignature(key, 1))).toBe(0);
  });

  test('the line has the same fingerprint there', () => {
    const path = join(directory.path, `${kind}.pub`);
    writeFileSync(path, `${key.publicKey.toLine('sk')}\n`);
    const { stdout } = spawnSync(openSsh('ssh-keygen'), ['-lf', path], { encoding: 'utf8' });
    expect(stdout).toContain(key.publicKey.fingerprint);
  });
});
