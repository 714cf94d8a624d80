import { SshError } from '../errors.ts';
import type { Algorithms } from './algorithms.ts';
import { isAead } from './ciphers/suites.ts';
import type { Kexinit } from './kexinit.ts';

export type Role = 'client' | 'server';

export const STRICT_KEX = { client: 'kex-strict-c-v00@openssh.com', server: 'kex-strict-s-v00@openssh.com' } as const;
export const EXT_INFO = { client: 'ext-info-c', server: 'ext-info-s' } as const;

export type Negotiation = {
  kex: string;
  hostKey: string;
  cipherToServer: string;
  cipherToClient: string;
  macToServer: string;
  macToClient: string;
  /** RFC 4253 §7: the peer guessed, and guessed wrong: its next packet is to be ignored. */
  ignoresGuess: boolean;
};

function choose(what: string, client: readonly string[], server: readonly string[]): string {
  const chosen = client.find((name) => server.includes(name));
  if (chosen === undefined) throw new SshError('key-exchange', `the peers have no ${what} in common`);
  return chosen;
}

/**
 * RFC 4253 §7.1: of each list, the client's first that the server has too. `ours` holds algorithms only: were our
 * markers among them, a peer could negotiate one of them as if it were an algorithm.
 */
export function negotiate(role: Role, ours: Algorithms, theirs: Kexinit): Negotiation {
  const chooseOf = (what: string, our: readonly string[], their: readonly string[]): string =>
    role === 'client' ? choose(what, our, their) : choose(what, their, our);
  const chooseMac = (cipher: string, their: readonly string[]): string =>
    isAead(cipher) ? '' : chooseOf('MAC', ours.mac, their);

  const kex = chooseOf('key exchange method', ours.kex, theirs.kex);
  const hostKey = chooseOf('host key algorithm', ours.hostKey, theirs.hostKey);
  const cipherToServer = chooseOf('cipher', ours.cipher, theirs.cipherToServer);
  const cipherToClient = chooseOf('cipher', ours.cipher, theirs.cipherToClient);
  chooseOf('compression', ['none'], theirs.compressionToServer);
  chooseOf('compression', ['none'], theirs.compressionToClient);
  return {
    kex,
    hostKey,
    cipherToServer,
    cipherToClient,
    macToServer: chooseMac(cipherToServer, theirs.macToServer),
    macToClient: chooseMac(cipherToClient, theirs.macToClient),
    ignoresGuess:
      theirs.firstKexPacketFollows && (theirs.kex[0] !== ours.kex[0] || theirs.hostKey[0] !== ours.hostKey[0]),
  };
}
