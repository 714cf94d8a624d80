import { SshError } from '../errors.ts';
import { MSG } from '../numbers.ts';
import { Reader, Writer } from '../wire.ts';

/** The service that is asked for once a user is authenticated: there is only one. */
export const CONNECTION_SERVICE = 'ssh-connection';
export const AUTHENTICATION_SERVICE = 'ssh-userauth';

/** SSH_MSG_USERAUTH_REQUEST (RFC 4252 §5, §7). Buffers are views. */
export type UserAuthenticationRequest = {
  username: Buffer;
  service: string;
  method: string;
  /** With method `publickey`. */
  publicKey: { algorithm: string; blob: Buffer; signature: Buffer | undefined } | undefined;
};

/** Throws SshError `protocol` for anything malformed, also for bytes after the end. */
export function readRequest(payload: Buffer): UserAuthenticationRequest {
  const reader = new Reader(payload, 1);
  const username = reader.string();
  const service = reader.name();
  const method = reader.name();
  // What other methods carry is theirs; we refuse them without reading on.
  if (method !== 'publickey') return { username, service, method, publicKey: undefined };
  const hasSignature = reader.boolean();
  const algorithm = reader.name();
  const blob = reader.string();
  const signature = hasSignature ? reader.string() : undefined;
  reader.end();
  return { username, service, method, publicKey: { algorithm, blob, signature } };
}

export type SignedParts = { sessionId: Buffer; username: Uint8Array | string; algorithm: string; blob: Buffer };

/** A request with its signature still to come: both what is sent, and what is signed (after the session id). */
export function writeRequest({ username, algorithm, blob }: Omit<SignedParts, 'sessionId'>): Buffer {
  return new Writer(1024)
    .byte(MSG.USERAUTH_REQUEST)
    .string(username)
    .string(CONNECTION_SERVICE)
    .string('publickey')
    .boolean(true)
    .string(algorithm)
    .string(blob)
    .bytes();
}

/**
 * RFC 4252 §7: what a user's signature covers. Built anew from what we understood, never cut from what the peer sent:
 * so there is no way to have one thing signed and another one acted upon.
 */
export function signedData(parts: SignedParts): Buffer {
  return new Writer(1024).string(parts.sessionId).raw(writeRequest(parts)).bytes();
}

const MAX_USERNAME = 255;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of a username, or undefined for one that no log, table or look-up should see. */
export function readUsername(bytes: Buffer): string | undefined {
  if (bytes.length === 0 || bytes.length > MAX_USERNAME) return undefined;
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    // Not UTF-8 (RFC 4252 §5 demands it): the same answer as for any other wrong name.
    return undefined;
  }
  // Control characters, but also format characters that turn lines round, and what is no character at all.
  return /\p{C}/u.test(text) ? undefined : text;
}

export function unexpectedMessage(): SshError {
  return new SshError('protocol', 'an unexpected message during user authentication');
}
