import { SshError } from '../errors.ts';
import { MSG } from '../numbers.ts';
import { Reader, Writer } from '../wire.ts';

const MAX_DESCRIPTION = 256;

/** RFC 4253 §11.1. */
export function writeDisconnect(reason: number, description: string): Buffer {
  return new Writer().byte(MSG.DISCONNECT).uint32(reason).string(description).string('').bytes();
}

/** The peer's farewell. Its text goes into logs: shortened, and without control characters. */
export function readDisconnect(payload: Buffer): SshError {
  const reader = new Reader(payload, 1);
  const disconnectReason = reader.uint32();
  const text = reader.remaining === 0 ? '' : reader.string().toString('utf8', 0, MAX_DESCRIPTION);
  const description = text.replaceAll(/\p{C}/gu, '?');
  return new SshError('disconnected', `the peer disconnected (reason ${disconnectReason}): ${description}`, {
    disconnectReason,
  });
}
