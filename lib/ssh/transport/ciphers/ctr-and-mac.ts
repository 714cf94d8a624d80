import { createCipheriv, createDecipheriv, timingSafeEqual } from 'node:crypto';
import { SshError } from '../../errors.ts';
import type { CipherKeys, Opener, Sealer } from './cipher.ts';
import { type CtrName, macOver } from './ctr-etm.ts';

const BLOCK = 16;
const shape = { blockSize: BLOCK, tagLength: 32, lengthIsPadded: true, release() {} } as const;

/**
 * aes*-ctr (RFC 4344 §4) with hmac-sha2-256 (RFC 6668) over the plaintext, for clients that know nothing newer. With a
 * counter that never repeats it keeps what it protects secret and whole; what an attacker may learn by changing bits is
 * whether a length was plausible, and the connection is over then.
 */
export function ctrAndMacSealer(name: CtrName, keys: CipherKeys): Sealer {
  const mac = macOver('sha256', keys.macKey);
  const cipher = createCipheriv(name, keys.key, keys.iv);
  return {
    ...shape,
    seal(packet, sequence) {
      const clear = packet.subarray(0, packet.length - shape.tagLength);
      packet.set(mac(sequence, clear), clear.length);
      packet.set(cipher.update(clear), 0);
    },
  };
}

export function ctrAndMacOpener(name: CtrName, keys: CipherKeys): Opener {
  const mac = macOver('sha256', keys.macKey);
  const decipher = createDecipheriv(name, keys.key, keys.iv);
  /** The first block of the packet that is coming: the key stream passes once. */
  let head: Buffer | undefined;
  const headOf = (bytes: Buffer, at: number): Buffer => (head ??= decipher.update(bytes.subarray(at, at + BLOCK)));
  return {
    ...shape,
    headLength: BLOCK,
    lengthOf: (bytes, at) => headOf(bytes, at).readUInt32BE(0),
    open(packet, sequence) {
      const tagAt = packet.length - shape.tagLength;
      packet.set(headOf(packet, 0), 0);
      head = undefined;
      packet.set(decipher.update(packet.subarray(BLOCK, tagAt)), BLOCK);
      if (!timingSafeEqual(mac(sequence, packet.subarray(0, tagAt)), packet.subarray(tagAt)))
        throw new SshError('mac', 'message authentication failed');
    },
  };
}
