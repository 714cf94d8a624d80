import type { KeyObject } from 'node:crypto';
import { createPublicKey } from 'node:crypto';
import { SshError } from '../errors.ts';
import { Reader } from '../wire.ts';
import type { Curve, KeyType } from './key-types.ts';
import { KEY_TYPES, MAX_RSA_BITS, MIN_RSA_BITS } from './key-types.ts';
import { importRawPublicKey } from './raw-public-key.ts';

/** A public key blob, understood (RFC 4253 §6.6, RFC 5656 §3.1, RFC 8709 §4, OpenSSH PROTOCOL.u2f). */
export type ParsedBlob = {
  keyType: KeyType;
  keyObject: KeyObject;
  /** Security keys only: what the signature is bound to, "ssh:" usually. */
  application: Buffer | undefined;
};

function unreadable(message: string, code = 'key'): SshError {
  return new SshError(code, message);
}

/** Throws SshError `key`, `weak-key` or `unsupported-key`, with a message that says what is wrong and holds nothing of the key. */
export function parseBlob(blob: Buffer): ParsedBlob {
  try {
    return parse(new Reader(blob));
  } catch (cause) {
    if (cause instanceof SshError && cause.code !== 'protocol') throw cause;
    throw new SshError('key', 'the public key is damaged', { cause });
  }
}

function parse(reader: Reader): ParsedBlob {
  const keyType = KEY_TYPES.get(reader.name());
  if (keyType === undefined) throw unreadable('the key type is not supported', 'unsupported-key');
  const keyObject = readKeyObject(reader, keyType);
  const application = keyType.family !== 'rsa' && keyType.securityKey ? reader.string() : undefined;
  reader.end();
  return { keyType, keyObject, application };
}

function readKeyObject(reader: Reader, keyType: KeyType): KeyObject {
  switch (keyType.family) {
    case 'ed25519':
      return readEd25519(reader);
    case 'ecdsa':
      return readEcdsa(reader, keyType.curve);
    case 'rsa':
    default:
      return readRsa(reader);
  }
}

function readEd25519(reader: Reader): KeyObject {
  const point = reader.string();
  if (point.length !== 32) throw unreadable('the public key is damaged');
  return importRawPublicKey('ed25519', point);
}

function readEcdsa(reader: Reader, curve: Curve): KeyObject {
  const isNamedCurve = reader.name() === curve.name;
  const point = reader.string();
  // RFC 5656 §3.1 allows compressed points; nobody sends them.
  if (!isNamedCurve || point.length !== 1 + 2 * curve.size || point[0] !== 4) {
    throw unreadable('the public key is damaged');
  }
  const x = point.toString('base64url', 1, 1 + curve.size);
  const y = point.toString('base64url', 1 + curve.size);
  // The import checks that the point lies on the curve.
  return createPublicKey({ key: { kty: 'EC', crv: curve.jwk, x, y }, format: 'jwk' });
}

function readRsa(reader: Reader): KeyObject {
  const exponent = reader.mpint();
  const modulus = reader.mpint();
  const bits = bitLength(modulus);
  if (bits < MIN_RSA_BITS) throw unreadable(`an RSA key must have at least ${MIN_RSA_BITS} bits`, 'weak-key');
  if (bits > MAX_RSA_BITS) throw unreadable(`an RSA key must have at most ${MAX_RSA_BITS} bits`, 'unsupported-key');
  const isOdd = ((exponent.at(-1) ?? 0) & 1) === 1;
  // 3 … 2^32: larger ones only make our verification slow. An even modulus is no product of two primes.
  if (exponent.length > 4 || !isOdd || (exponent.length === 1 && exponent[0] === 1) || !((modulus.at(-1) ?? 0) & 1)) {
    throw unreadable('the public key is damaged');
  }
  return createPublicKey({
    key: { kty: 'RSA', e: exponent.toString('base64url'), n: modulus.toString('base64url') },
    format: 'jwk',
  });
}

function bitLength(magnitude: Buffer): number {
  const first = magnitude[0];
  return first === undefined ? 0 : (magnitude.length - 1) * 8 + (32 - Math.clz32(first));
}
