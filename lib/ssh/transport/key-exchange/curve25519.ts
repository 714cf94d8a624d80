import { Writer } from '../../wire.ts';
import { agreeX25519, generateX25519 } from './x25519.ts';

// RFC 8731 §3.1: the 32 bytes of the secret are read as a big-endian number, and enter the hash as an mpint.
function asMpint(secret: Buffer): Buffer {
  return new Writer(64).mpint(secret).bytes();
}

/** curve25519-sha256 (RFC 8731). */
export const curve25519 = {
  begin() {
    const { privateKey, publicValue } = generateX25519();
    return { publicValue, finish: (reply: Buffer) => asMpint(agreeX25519(privateKey, reply)) };
  },

  answer(publicValue: Buffer) {
    const own = generateX25519();
    return { reply: own.publicValue, secret: asMpint(agreeX25519(own.privateKey, publicValue)) };
  },
};
