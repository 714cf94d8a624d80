import { createCipheriv, createDecipheriv } from 'node:crypto';
import { SshError } from '../../errors.ts';
import { type CipherKeys, clearHead, type Opener, type Sealer } from './cipher.ts';
import { nativeGcm } from './native.ts';

type GcmName = 'aes-128-gcm' | 'aes-256-gcm';

const TAG = 16;
const shape = { blockSize: 16, tagLength: TAG, lengthIsPadded: false } as const;
// length | at least one block | tag. The addon computes with packet lengths unsigned, and must never see less.
const SHORTEST = 4 + 16 + TAG;

function checkLength(packet: Buffer): void {
  if (packet.length < SHORTEST) throw new SshError('internal', 'a packet is too short for AES-GCM');
}

// In the addon, a call after free() reads freed memory.
function afterRelease(): SshError {
  return new SshError('internal', 'a cipher is used after its release');
}

function badTag(cause: unknown): SshError {
  return new SshError('mac', 'message authentication failed', { cause });
}

/** RFC 5647 §7.1: the last eight bytes of the IV are a counter, incremented for each packet. */
function countUp(iv: Buffer): void {
  iv.writeBigUInt64BE(BigInt.asUintN(64, iv.readBigUInt64BE(4) + 1n), 4);
}

/** aes*-gcm@openssh.com (RFC 5647, with the negotiation of OpenSSH's PROTOCOL §1.6). */
export function gcmSealer(name: GcmName, keys: CipherKeys): Sealer {
  if (nativeGcm === undefined) return nodeGcmSealer(name, keys);
  const cipher = new nativeGcm.AESGCMCipher(name, keys.key, keys.iv);
  let isReleased = false;
  return {
    ...shape,
    seal(packet) {
      checkLength(packet);
      if (isReleased) throw afterRelease();
      cipher.encrypt(packet);
    },
    // Wipes the keys now, not whenever the object is collected.
    release() {
      if (!isReleased) cipher.free();
      isReleased = true;
    },
  };
}

/** The same by node:crypto, for where the addon does not load. */
export function nodeGcmSealer(name: GcmName, keys: CipherKeys): Sealer {
  const iv = Buffer.from(keys.iv);
  return {
    ...shape,
    seal(packet) {
      checkLength(packet);
      const tagAt = packet.length - TAG;
      const cipher = createCipheriv(name, keys.key, iv, { authTagLength: TAG });
      cipher.setAAD(packet.subarray(0, 4));
      packet.set(cipher.update(packet.subarray(4, tagAt)), 4);
      cipher.final();
      packet.set(cipher.getAuthTag(), tagAt);
      countUp(iv);
    },
    release() {},
  };
}

export function gcmOpener(name: GcmName, keys: CipherKeys): Opener {
  if (nativeGcm === undefined) return nodeGcmOpener(name, keys);
  const decipher = new nativeGcm.AESGCMDecipher(name, keys.key, keys.iv);
  let isReleased = false;
  return {
    ...shape,
    ...clearHead,
    open(packet) {
      checkLength(packet);
      if (isReleased) throw afterRelease();
      const tagAt = packet.length - TAG;
      try {
        decipher.decrypt(packet.subarray(4, tagAt), packet.readUInt32BE(0), packet.subarray(tagAt));
      } catch (cause) {
        throw badTag(cause);
      }
    },
    release() {
      if (!isReleased) decipher.free();
      isReleased = true;
    },
  };
}

export function nodeGcmOpener(name: GcmName, keys: CipherKeys): Opener {
  const iv = Buffer.from(keys.iv);
  return {
    ...shape,
    ...clearHead,
    open(packet) {
      checkLength(packet);
      const tagAt = packet.length - TAG;
      const decipher = createDecipheriv(name, keys.key, iv, { authTagLength: TAG });
      decipher.setAAD(packet.subarray(0, 4));
      decipher.setAuthTag(packet.subarray(tagAt));
      packet.set(decipher.update(packet.subarray(4, tagAt)), 4);
      try {
        decipher.final();
      } catch (cause) {
        throw badTag(cause);
      }
      countUp(iv);
    },
    release() {},
  };
}
