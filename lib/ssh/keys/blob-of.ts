import type { KeyObject } from 'node:crypto';
import { SshError } from '../errors.ts';
import { Writer } from '../wire.ts';
import { KEY_TYPES } from './key-types.ts';

/** The SSH blob of a public node:crypto key; throws SshError `key` for kinds SSH does not have. */
export function blobOf(publicKey: KeyObject): Buffer {
  const jwk = publicKey.export({ format: 'jwk' });
  if (jwk.kty === 'OKP' && jwk.crv === 'Ed25519') {
    return new Writer().string('ssh-ed25519').string(decode(jwk.x)).bytes();
  }
  if (jwk.kty === 'RSA') return new Writer().string('ssh-rsa').mpint(decode(jwk.e)).mpint(decode(jwk.n)).bytes();
  for (const [type, keyType] of KEY_TYPES) {
    if (jwk.kty === 'EC' && keyType.family === 'ecdsa' && keyType.curve.jwk === jwk.crv && !keyType.securityKey) {
      const point = Buffer.concat([Buffer.of(4), decode(jwk.x), decode(jwk.y)]);
      return new Writer().string(type).string(keyType.curve.name).string(point).bytes();
    }
  }
  throw new SshError('key', 'the key type is not supported');
}

function decode(member: string | undefined): Buffer {
  return Buffer.from(member ?? '', 'base64url');
}
