import { SshError } from '../../errors.ts';
import type { CipherKeys, Opener, Sealer } from './cipher.ts';
import { ctrAndMacOpener, ctrAndMacSealer } from './ctr-and-mac.ts';
import { ctrOpener, ctrSealer } from './ctr-etm.ts';
import { gcmOpener, gcmSealer } from './gcm.ts';

/** How much key material a negotiated cipher (and MAC) wants, and what is made of it. */
export type Suite = {
  keyLength: number;
  ivLength: number;
  macKeyLength: number;
  sealer: (keys: CipherKeys) => Sealer;
  opener: (keys: CipherKeys) => Opener;
};

function gcm(name: 'aes-128-gcm' | 'aes-256-gcm', keyLength: number): Suite {
  return {
    keyLength,
    ivLength: 12,
    macKeyLength: 0,
    sealer: (keys) => gcmSealer(name, keys),
    opener: (keys) => gcmOpener(name, keys),
  };
}

const MAC_HASHES = new Map<string, 'sha256' | 'sha512'>([
  ['hmac-sha2-256-etm@openssh.com', 'sha256'],
  ['hmac-sha2-512-etm@openssh.com', 'sha512'],
]);

function ctr(name: 'aes-128-ctr' | 'aes-256-ctr', keyLength: number, mac: string): Suite {
  if (mac === 'hmac-sha2-256')
    return {
      keyLength,
      ivLength: 16,
      macKeyLength: 32,
      sealer: (keys) => ctrAndMacSealer(name, keys),
      opener: (keys) => ctrAndMacOpener(name, keys),
    };
  const hash = MAC_HASHES.get(mac);
  if (hash === undefined) throw new SshError('key-exchange', 'the peers have no MAC in common');
  return {
    keyLength,
    ivLength: 16,
    macKeyLength: hash === 'sha256' ? 32 : 64,
    sealer: (keys) => ctrSealer(name, hash, keys),
    opener: (keys) => ctrOpener(name, hash, keys),
  };
}

/** Ciphers that authenticate by themselves: the negotiated MAC is not used (RFC 5647 §5.1, OpenSSH PROTOCOL §1.6). */
export function isAead(cipher: string): boolean {
  return cipher === 'aes128-gcm@openssh.com' || cipher === 'aes256-gcm@openssh.com';
}

export function suiteOf(cipher: string, mac: string): Suite {
  switch (cipher) {
    case 'aes128-gcm@openssh.com':
      return gcm('aes-128-gcm', 16);
    case 'aes256-gcm@openssh.com':
      return gcm('aes-256-gcm', 32);
    case 'aes128-ctr':
      return ctr('aes-128-ctr', 16, mac);
    case 'aes256-ctr':
      return ctr('aes-256-ctr', 32, mac);
    default:
      throw new SshError('key-exchange', 'the negotiated cipher is not one of ours');
  }
}
