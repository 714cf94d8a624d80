import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { PublicKey } from '../keys/public-key.ts';
import { Writer } from '../wire.ts';

/** A FIDO security key in software (OpenSSH PROTOCOL.u2f): nobody can plug one into a test. */
export type SoftSecurityKey = {
  publicKey: PublicKey;
  sign: (data: Buffer, how?: { flags?: number; counter?: number; application?: string }) => Buffer;
};

const APPLICATION = 'ssh:';

export function makeSecurityKey(kind: 'ed25519' | 'ecdsa'): SoftSecurityKey {
  return kind === 'ed25519' ? makeEd25519() : makeEcdsa();
}

function signedBytes(data: Buffer, flags: number, counter: number, application: string): Buffer {
  return new Writer()
    .raw(createHash('sha256').update(application).digest())
    .byte(flags)
    .uint32(counter)
    .raw(createHash('sha256').update(data).digest())
    .bytes();
}

function makeEd25519(): SoftSecurityKey {
  const type = 'sk-ssh-ed25519@openssh.com';
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const point = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  const blob = new Writer().string(type).string(point).string(APPLICATION).bytes();
  return {
    publicKey: PublicKey.fromBlob(blob),
    sign(data, { flags = 1, counter = 7, application = APPLICATION } = {}) {
      const value = sign(null, signedBytes(data, flags, counter, application), privateKey);
      return new Writer().string(type).string(value).byte(flags).uint32(counter).bytes();
    },
  };
}

function makeEcdsa(): SoftSecurityKey {
  const type = 'sk-ecdsa-sha2-nistp256@openssh.com';
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = publicKey.export({ format: 'jwk' });
  const point = Buffer.concat([
    Buffer.of(4),
    Buffer.from(jwk.x ?? '', 'base64url'),
    Buffer.from(jwk.y ?? '', 'base64url'),
  ]);
  const blob = new Writer().string(type).string('nistp256').string(point).string(APPLICATION).bytes();
  return {
    publicKey: PublicKey.fromBlob(blob),
    sign(data, { flags = 1, counter = 7, application = APPLICATION } = {}) {
      const fixed = sign('sha256', signedBytes(data, flags, counter, application), {
        key: privateKey,
        dsaEncoding: 'ieee-p1363',
      });
      const value = new Writer().mpint(fixed.subarray(0, 32)).mpint(fixed.subarray(32)).bytes();
      return new Writer().string(type).string(value).byte(flags).uint32(counter).bytes();
    },
  };
}
