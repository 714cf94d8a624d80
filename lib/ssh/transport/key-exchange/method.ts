import { SshError } from '../../errors.ts';
import { curve25519 } from './curve25519.ts';
import { mlkem768x25519 } from './mlkem768x25519.ts';

/**
 * A key exchange of two messages (RFC 5656 §4 in form). Secrets come out encoded as they enter the exchange hash:
 * an mpint for curve25519, a string for the hybrid.
 */
export type KeyExchangeMethod = {
  /** The client's side. */
  begin: () => { publicValue: Buffer; finish: (reply: Buffer) => Buffer };
  /** The server's side. */
  answer: (publicValue: Buffer) => { reply: Buffer; secret: Buffer };
};

export function keyExchangeMethod(name: string): KeyExchangeMethod {
  switch (name) {
    case 'mlkem768x25519-sha256':
      return mlkem768x25519;
    case 'curve25519-sha256':
    case 'curve25519-sha256@libssh.org':
      return curve25519;
    default:
      throw new SshError('key-exchange', 'the negotiated key exchange method is not one of ours');
  }
}
