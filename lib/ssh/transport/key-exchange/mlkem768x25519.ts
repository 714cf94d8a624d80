import type { KeyObject } from 'node:crypto';
import { createHash, decapsulate, encapsulate, generateKeyPairSync } from 'node:crypto';
import { SshError } from '../../errors.ts';
import { importRawPublicKey } from '../../keys/raw-public-key.ts';
import { Writer } from '../../wire.ts';
import { agreeX25519, generateX25519, X25519_LENGTH } from './x25519.ts';

// FIPS 203, table 3.
const ENCAPSULATION_KEY_LENGTH = 1184;
const CIPHERTEXT_LENGTH = 1088;

// draft-ietf-sshm-mlkem-hybrid-kex §2.4: K = SHA256(K_PQ || K_CL), and K enters the hash as a string, not an mpint.
function combine(postQuantum: Buffer, classical: Buffer): Buffer {
  return new Writer(64).string(createHash('sha256').update(postQuantum).update(classical).digest()).bytes();
}

function invalid(cause?: unknown): SshError {
  return new SshError('key-exchange', "the peer's ML-KEM value is invalid", { cause });
}

function generateMlkem(): { privateKey: KeyObject; encapsulationKey: Buffer } {
  const { privateKey, publicKey } = generateKeyPairSync('ml-kem-768');
  const { pub } = publicKey.export({ format: 'jwk' });
  if (typeof pub !== 'string') throw new SshError('internal', 'an ML-KEM key has no public value');
  return { privateKey, encapsulationKey: Buffer.from(pub, 'base64url') };
}

// The import checks the key's modulus, as FIPS 203 §7.2 demands.
function encapsulateTo(encapsulationKey: Buffer): { sharedKey: Buffer; ciphertext: Buffer } {
  try {
    return encapsulate(importRawPublicKey('ml-kem-768', encapsulationKey));
  } catch (cause) {
    throw invalid(cause);
  }
}

function decapsulateFrom(privateKey: KeyObject, ciphertext: Buffer): Buffer {
  try {
    return decapsulate(privateKey, ciphertext);
  } catch (cause) {
    throw invalid(cause);
  }
}

/** mlkem768x25519-sha256 (draft-ietf-sshm-mlkem-hybrid-kex): safe while either of the two is. */
export const mlkem768x25519 = {
  begin() {
    const postQuantum = generateMlkem();
    const classical = generateX25519();
    return {
      publicValue: Buffer.concat([postQuantum.encapsulationKey, classical.publicValue]),
      finish(reply: Buffer): Buffer {
        if (reply.length !== CIPHERTEXT_LENGTH + X25519_LENGTH) throw invalid();
        const sharedKey = decapsulateFrom(postQuantum.privateKey, reply.subarray(0, CIPHERTEXT_LENGTH));
        return combine(sharedKey, agreeX25519(classical.privateKey, reply.subarray(CIPHERTEXT_LENGTH)));
      },
    };
  },

  answer(publicValue: Buffer) {
    if (publicValue.length !== ENCAPSULATION_KEY_LENGTH + X25519_LENGTH) throw invalid();
    const { sharedKey, ciphertext } = encapsulateTo(publicValue.subarray(0, ENCAPSULATION_KEY_LENGTH));
    const classical = generateX25519();
    const secret = agreeX25519(classical.privateKey, publicValue.subarray(ENCAPSULATION_KEY_LENGTH));
    return {
      reply: Buffer.concat([ciphertext, classical.publicValue]),
      secret: combine(sharedKey, secret),
    };
  },
};
