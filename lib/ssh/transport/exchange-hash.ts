import { createHash } from 'node:crypto';
import { Writer } from '../wire.ts';

export type HashedParts = {
  clientIdent: string;
  serverIdent: string;
  clientKexinit: Buffer;
  serverKexinit: Buffer;
  hostKey: Buffer;
  clientValue: Buffer;
  serverValue: Buffer;
  /** K, already encoded. */
  secret: Buffer;
};

/** RFC 5656 §4 (and RFC 8731 §3, draft-ietf-sshm-mlkem-hybrid-kex §2.5): what both sides saw, and the secret. */
export function exchangeHash(parts: HashedParts): Buffer {
  const hashed = new Writer(8192)
    .string(parts.clientIdent)
    .string(parts.serverIdent)
    .string(parts.clientKexinit)
    .string(parts.serverKexinit)
    .string(parts.hostKey)
    .string(parts.clientValue)
    .string(parts.serverValue)
    .raw(parts.secret)
    .bytes();
  return createHash('sha256').update(hashed).digest();
}
