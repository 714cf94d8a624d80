import type { KeyObject } from 'node:crypto';
import { createPrivateKey, randomInt } from 'node:crypto';
import { SshError } from '../errors.ts';
import { Reader, Writer } from '../wire.ts';
import type { Curve } from './key-types.ts';
import { KEY_TYPES } from './key-types.ts';

// OpenSSH PROTOCOL.key.
const MAGIC = 'openssh-key-v1\0';
const BEGIN = '-----BEGIN OPENSSH PRIVATE KEY-----';
const END = '-----END OPENSSH PRIVATE KEY-----';
const BLOCK = 8;

export function isOpenSshKey(pem: string): boolean {
  return pem.trimStart().startsWith(BEGIN);
}

function damaged(): SshError {
  return new SshError('key', 'the private key is damaged');
}

/** Reads an unencrypted openssh-key-v1; throws SshError `key` that never quotes the key. */
export function readOpenSshKey(pem: string): { keyObject: KeyObject; publicBlob: Buffer } {
  const text = pem.trim();
  if (!text.endsWith(END)) throw damaged();
  const base64 = text.slice(BEGIN.length, -END.length).replaceAll(/\s/g, '');
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.toString('base64') !== base64) throw damaged();
  try {
    return readContainer(bytes);
  } catch (thrown) {
    if (thrown instanceof SshError && thrown.code === 'key') throw thrown;
    // Without the cause: node's messages about keys may quote them.
    throw damaged();
  }
}

function readContainer(bytes: Buffer): { keyObject: KeyObject; publicBlob: Buffer } {
  const outer = new Reader(bytes);
  if (outer.raw(MAGIC.length).toString('latin1') !== MAGIC) throw damaged();
  const cipher = outer.utf8();
  const kdf = outer.utf8();
  outer.string();
  if (cipher !== 'none' || kdf !== 'none') {
    throw new SshError('key', 'the private key is protected by a passphrase; a service needs one without');
  }
  if (outer.uint32() !== 1) throw damaged();
  const publicBlob = outer.string();
  const inner = new Reader(outer.string());
  outer.end();
  if (inner.uint32() !== inner.uint32()) throw damaged();
  const keyObject = readFields(inner);
  inner.string();
  const padding = inner.rest();
  if (padding.length >= BLOCK || padding.some((byte, index) => byte !== index + 1)) throw damaged();
  return { keyObject, publicBlob };
}

function readFields(reader: Reader): KeyObject {
  const keyType = KEY_TYPES.get(reader.name());
  if (keyType === undefined || (keyType.family !== 'rsa' && keyType.securityKey)) {
    throw new SshError('key', 'the private key is of a type that is not supported');
  }
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

function encode(bytes: Buffer): string {
  return bytes.toString('base64url');
}

function readEd25519(reader: Reader): KeyObject {
  const point = reader.string();
  const secret = reader.string();
  // The seed, and the public key once more.
  if (point.length !== 32 || secret.length !== 64 || !secret.subarray(32).equals(point)) throw damaged();
  const key = { kty: 'OKP', crv: 'Ed25519', x: encode(point), d: encode(secret.subarray(0, 32)) };
  return createPrivateKey({ key, format: 'jwk' });
}

function readEcdsa(reader: Reader, curve: Curve): KeyObject {
  const isNamedCurve = reader.name() === curve.name;
  const point = reader.string();
  const scalar = reader.mpint();
  if (!isNamedCurve || point.length !== 1 + 2 * curve.size || scalar.length > curve.size) throw damaged();
  const d = Buffer.alloc(curve.size);
  d.set(scalar, curve.size - scalar.length);
  const x = point.subarray(1, 1 + curve.size);
  const y = point.subarray(1 + curve.size);
  return createPrivateKey({
    key: { kty: 'EC', crv: curve.jwk, x: encode(x), y: encode(y), d: encode(d) },
    format: 'jwk',
  });
}

function toBigInt(magnitude: Buffer): bigint {
  return BigInt(`0x0${magnitude.toString('hex')}`);
}

function fromBigInt(value: bigint): Buffer {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
}

function readRsa(reader: Reader): KeyObject {
  const n = reader.mpint();
  const e = reader.mpint();
  const d = reader.mpint();
  const qi = reader.mpint();
  const p = reader.mpint();
  const q = reader.mpint();
  const exponent = toBigInt(d);
  // The file does not hold the two reduced exponents that JWK (RFC 7518 §6.3.2) wants.
  const dp = fromBigInt(exponent % (toBigInt(p) - 1n));
  const dq = fromBigInt(exponent % (toBigInt(q) - 1n));
  const key = {
    kty: 'RSA',
    n: encode(n),
    e: encode(e),
    d: encode(d),
    p: encode(p),
    q: encode(q),
    dp: encode(dp),
    dq: encode(dq),
    qi: encode(qi),
  };
  return createPrivateKey({ key, format: 'jwk' });
}

/** Writes what ssh-keygen would write without a passphrase. */
export function writeOpenSshEd25519(privateKey: KeyObject, publicBlob: Buffer, comment: string): string {
  const jwk = privateKey.export({ format: 'jwk' });
  const point = Buffer.from(jwk.x ?? '', 'base64url');
  const seed = Buffer.from(jwk.d ?? '', 'base64url');
  const check = randomInt(2 ** 32);
  const inner = new Writer()
    .uint32(check)
    .uint32(check)
    .string('ssh-ed25519')
    .string(point)
    .string(Buffer.concat([seed, point]))
    .string(comment);
  for (let padding = 1; inner.bytes().length % BLOCK !== 0; padding++) inner.byte(padding);
  const bytes = new Writer()
    .raw(Buffer.from(MAGIC, 'latin1'))
    .string('none')
    .string('none')
    .string('')
    .uint32(1)
    .string(publicBlob)
    .string(inner.bytes())
    .bytes();
  const lines = bytes.toString('base64').match(/.{1,70}/g) ?? [];
  return [BEGIN, ...lines, END, ''].join('\n');
}
