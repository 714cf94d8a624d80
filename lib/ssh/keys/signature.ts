import type { KeyObject } from 'node:crypto';
import { createHash, sign, verify } from 'node:crypto';
import { SshError } from '../errors.ts';
import { Reader, Writer } from '../wire.ts';
import type { ParsedBlob } from './key-blob.ts';
import type { Curve, KeyType } from './key-types.ts';
import { rsaHashOf } from './key-types.ts';

const USER_PRESENT = 0x01;
const USER_VERIFIED = 0x04;

/** What a security key's signature must show (sshd(8): no-touch-required, verify-required). */
export type SignatureRules = { touchRequired: boolean; verifyRequired: boolean };
/** What is to be verified: the algorithm that was said, the data, and the whole signature blob. */
type Signed = { algorithm: string; data: Buffer; signature: Buffer };

export const TOUCHED: SignatureRules = { touchRequired: true, verifyRequired: false };

/**
 * Whether `signature` (a whole signature blob) is of `algorithm` and matches. Throws SshError `protocol` for one that
 * cannot be read; the caller turns that into false.
 */
export function verifySignature(
  key: ParsedBlob,
  { algorithm, data, signature }: Signed,
  rules: SignatureRules,
): boolean {
  const reader = new Reader(signature);
  const format = reader.name();
  const value = reader.string();
  if (format !== algorithm) return false;
  const { keyObject, keyType, application } = key;
  if (keyType.family !== 'rsa' && application !== undefined) {
    const flags = reader.byte();
    const counter = reader.uint32();
    reader.end();
    if (rules.touchRequired && (flags & USER_PRESENT) === 0) return false;
    if (rules.verifyRequired && (flags & USER_VERIFIED) === 0) return false;
    return verifyPlain(keyObject, keyType, securityKeyData(application, flags, counter, data), value);
  }
  reader.end();
  // Another key cannot know who has used it.
  if (rules.verifyRequired) return false;
  if (keyType.family === 'rsa') return verifyRsa(keyObject, algorithm, data, value);
  return verifyPlain(keyObject, keyType, data, value);
}

// OpenSSH PROTOCOL.u2f, "SSH U2F Signatures": what the security key itself has signed.
function securityKeyData(application: Buffer, flags: number, counter: number, data: Buffer): Buffer {
  return new Writer()
    .raw(createHash('sha256').update(application).digest())
    .byte(flags)
    .uint32(counter)
    .raw(createHash('sha256').update(data).digest())
    .bytes();
}

function verifyPlain(
  keyObject: KeyObject,
  keyType: Exclude<KeyType, { family: 'rsa' }>,
  data: Buffer,
  value: Buffer,
): boolean {
  if (keyType.family === 'ed25519') return value.length === 64 && verify(null, data, keyObject, value);
  const { curve } = keyType;
  const fixed = readEcdsaValue(value, curve);
  return verify(curve.hash, data, { key: keyObject, dsaEncoding: 'ieee-p1363' }, fixed);
}

// RFC 5656 §3.1.2: two mpints; node:crypto takes two numbers of the curve's size.
function readEcdsaValue(value: Buffer, curve: Curve): Buffer {
  const reader = new Reader(value);
  const numbers = [reader.mpint(), reader.mpint()];
  reader.end();
  const fixed = Buffer.alloc(2 * curve.size);
  for (const [index, number] of numbers.entries()) {
    if (number.length > curve.size) throw new SshError('protocol', 'malformed message: a signature is too long');
    fixed.set(number, (index + 1) * curve.size - number.length);
  }
  return fixed;
}

function verifyRsa(keyObject: KeyObject, algorithm: string, data: Buffer, value: Buffer): boolean {
  const size = Math.ceil((keyObject.asymmetricKeyDetails?.modulusLength ?? 0) / 8);
  if (value.length > size) return false;
  // Some clients cut leading zeros off; OpenSSH pads them back, too.
  const padded = Buffer.alloc(size);
  padded.set(value, size - value.length);
  return verify(rsaHashOf(algorithm), data, keyObject, padded);
}

/** A signature blob: string format, string value. */
export function makeSignature(privateKey: KeyObject, keyType: KeyType, algorithm: string, data: Buffer): Buffer {
  return new Writer(640)
    .string(algorithm)
    .string(signatureValue(privateKey, keyType, algorithm, data))
    .bytes();
}

function signatureValue(privateKey: KeyObject, keyType: KeyType, algorithm: string, data: Buffer): Buffer {
  switch (keyType.family) {
    case 'ed25519':
      return sign(null, data, privateKey);
    case 'ecdsa': {
      const { hash, size } = keyType.curve;
      const fixed = sign(hash, data, { key: privateKey, dsaEncoding: 'ieee-p1363' });
      return new Writer().mpint(fixed.subarray(0, size)).mpint(fixed.subarray(size)).bytes();
    }
    case 'rsa':
    default:
      return sign(rsaHashOf(algorithm), data, privateKey);
  }
}
