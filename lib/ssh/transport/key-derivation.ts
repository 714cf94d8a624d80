import { createHash } from 'node:crypto';
import type { CipherKeys } from './ciphers/cipher.ts';
import { suiteOf, type Suite } from './ciphers/suites.ts';
import type { Negotiation } from './negotiation.ts';

/** What came out of a key exchange. All our methods hash with SHA-256. */
export type ExchangeSecrets = {
  /** K, encoded as it enters the hash. */
  secret: Buffer;
  /** H of this exchange. */
  exchangeHash: Buffer;
  /** H of the first exchange of the connection. */
  sessionId: Buffer;
};

// RFC 4253 §7.2: K1 = HASH(K || H || X || session_id), Kn = HASH(K || H || K1 || … || Kn-1).
function derive({ secret, exchangeHash, sessionId }: ExchangeSecrets, letter: string, length: number): Buffer {
  let material = createHash('sha256').update(secret).update(exchangeHash).update(letter).update(sessionId).digest();
  while (material.length < length) {
    const more = createHash('sha256').update(secret).update(exchangeHash).update(material).digest();
    material = Buffer.concat([material, more]);
  }
  return material.subarray(0, length);
}

/** RFC 4253 §7.2: letters A, C, E for client to server, B, D, F for server to client. */
export function deriveKeys(secrets: ExchangeSecrets, direction: 'to-server' | 'to-client', suite: Suite): CipherKeys {
  const [iv, key, mac] = direction === 'to-server' ? (['A', 'C', 'E'] as const) : (['B', 'D', 'F'] as const);
  return {
    iv: derive(secrets, iv, suite.ivLength),
    key: derive(secrets, key, suite.keyLength),
    macKey: derive(secrets, mac, suite.macKeyLength),
  };
}

/** What protects one direction after a key exchange: the cipher, and its keys. */
export function protectionOf(
  { negotiation, secrets }: { negotiation: Negotiation; secrets: ExchangeSecrets },
  direction: 'to-server' | 'to-client',
): { suite: Suite; keys: CipherKeys } {
  const { cipherToServer, macToServer, cipherToClient, macToClient } = negotiation;
  const suite = direction === 'to-server' ? suiteOf(cipherToServer, macToServer) : suiteOf(cipherToClient, macToClient);
  return { suite, keys: deriveKeys(secrets, direction, suite) };
}
