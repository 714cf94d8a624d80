import { createPublicKey, type KeyObject } from 'node:crypto';

/** SubjectPublicKeyInfo up to the key itself (RFC 8410, RFC 9935): the same for each key of a kind. */
const PREFIXES = {
  x25519: Buffer.from('302a300506032b656e032100', 'hex'),
  ed25519: Buffer.from('302a300506032b6570032100', 'hex'),
  'ml-kem-768': Buffer.from('308204b2300b0609608648016503040402038204a100', 'hex'),
};

/**
 * The key object of a public key as protocols carry it; the caller has checked the length. @throws where it is no such key
 *
 * As PEM: given an object (a JWK, raw bytes, DER), Node 24 finds out that it is no KeyObject by four exceptions that it
 * throws and catches, each with a stack trace. That takes three times as long as the import, and was a tenth of a login.
 */
export function importRawPublicKey(kind: keyof typeof PREFIXES, raw: Buffer): KeyObject {
  const base64 = Buffer.concat([PREFIXES[kind], raw]).toString('base64');
  return createPublicKey(`-----BEGIN PUBLIC KEY-----\n${base64}\n-----END PUBLIC KEY-----\n`);
}
