import { createCipheriv, createDecipheriv, createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import { SshError } from '../../errors.ts';
import { type CipherKeys, clearHead, type Opener, type Sealer } from './cipher.ts';

export type CtrName = 'aes-128-ctr' | 'aes-256-ctr';
type Hash = 'sha256' | 'sha512';

/** MAC(key, sequence number | bytes). Of a packet as it is on the wire: OpenSSH PROTOCOL §1.5; of its plaintext: RFC 4253 §6.4. */
export function macOver(hash: Hash, macKey: Buffer): (sequence: number, bytes: Buffer) => Buffer {
  const key = createSecretKey(macKey);
  const sequenceBytes = Buffer.alloc(4);
  return (sequence, bytes) => {
    sequenceBytes.writeUInt32BE(sequence);
    return createHmac(hash, key).update(sequenceBytes).update(bytes).digest();
  };
}

function shapeOf(hash: Hash): { blockSize: number; tagLength: number; lengthIsPadded: boolean; release: () => void } {
  return { blockSize: 16, tagLength: hash === 'sha256' ? 32 : 64, lengthIsPadded: false, release() {} };
}

/** aes*-ctr (RFC 4344 §4) with hmac-sha2-*-etm@openssh.com: the MAC covers what is on the wire. */
export function ctrSealer(name: CtrName, hash: Hash, keys: CipherKeys): Sealer {
  const shape = shapeOf(hash);
  const mac = macOver(hash, keys.macKey);
  const cipher = createCipheriv(name, keys.key, keys.iv);
  return {
    ...shape,
    seal(packet, sequence) {
      const tagAt = packet.length - shape.tagLength;
      packet.set(cipher.update(packet.subarray(4, tagAt)), 4);
      packet.set(mac(sequence, packet.subarray(0, tagAt)), tagAt);
    },
  };
}

export function ctrOpener(name: CtrName, hash: Hash, keys: CipherKeys): Opener {
  const shape = shapeOf(hash);
  const mac = macOver(hash, keys.macKey);
  const decipher = createDecipheriv(name, keys.key, keys.iv);
  return {
    ...shape,
    ...clearHead,
    open(packet, sequence) {
      const tagAt = packet.length - shape.tagLength;
      // Verified before a byte is decrypted: that is the point of encrypt-then-MAC.
      if (!timingSafeEqual(mac(sequence, packet.subarray(0, tagAt)), packet.subarray(tagAt))) {
        throw new SshError('mac', 'message authentication failed');
      }
      packet.set(decipher.update(packet.subarray(4, tagAt)), 4);
    },
  };
}
