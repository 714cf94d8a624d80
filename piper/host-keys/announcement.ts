/**
 * Host key rotation (OpenSSH PROTOCOL §2.5): once a user is in, we name all our host keys; a client that has
 * UpdateHostKeys lets us prove those that are new to it, and notes them in its known_hosts in place of those that are
 * gone.
 */
import type { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { MSG } from '../../lib/ssh/numbers.ts';
import { type Reader, Writer } from '../../lib/ssh/wire.ts';

export const HOST_KEYS = 'hostkeys-00@openssh.com';
export const PROVE_HOST_KEYS = 'hostkeys-prove-00@openssh.com';

export function announcement(keys: readonly PrivateKey[]): Buffer {
  const message = new Writer(1024).byte(MSG.GLOBAL_REQUEST).string(HOST_KEYS).boolean(false);
  for (const { publicKey } of keys) message.string(publicKey.blob);
  return message.bytes();
}

export type ProofContext = {
  keys: readonly PrivateKey[];
  /** Of the connection that asks: a proof is worth nothing in another. */
  sessionId: Buffer;
  /** The host key algorithm of its key exchange, which an RSA key then signs with here, too. */
  algorithm: string;
};

/**
 * The reply with a signature for each key that is asked for, in that order; undefined where one of them is not ours, or
 * more are asked for than there are. @throws SshError where the request is malformed
 */
export function proof(asked: Reader, { keys, sessionId, algorithm }: ProofContext): Buffer | undefined {
  const message = new Writer(1024).byte(MSG.REQUEST_SUCCESS);
  let count = 0;
  while (asked.remaining > 0) {
    const blob = asked.string();
    const key = keys.find(({ publicKey }) => publicKey.blob.equals(blob));
    if (key === undefined || ++count > keys.length) return undefined;
    const [usual = ''] = key.publicKey.signatureAlgorithms;
    const signed = new Writer().string(PROVE_HOST_KEYS).string(sessionId).string(blob).bytes();
    message.string(key.sign(key.publicKey.signatureAlgorithms.includes(algorithm) ? algorithm : usual, signed));
  }
  return count === 0 ? undefined : message.bytes();
}
