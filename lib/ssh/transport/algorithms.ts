import { isAead } from './ciphers/suites.ts';

/** What may be negotiated, each list in order of preference (the client's order wins, RFC 4253 §7.1). */
export type Algorithms = {
  kex: readonly string[];
  hostKey: readonly string[];
  cipher: readonly string[];
  mac: readonly string[];
};

/**
 * The one policy. Post-quantum first. AES-GCM first, because it is the cheapest by far; no chacha20-poly1305, because
 * it is OpenSSH's own first choice and costs two to three times as much. No SHA-1, no CBC, no MAC over the plaintext, no
 * Diffie-Hellman groups (their cost is an attack, CVE-2002-20001), no compression.
 */
export const DEFAULT_ALGORITHMS: Algorithms = {
  kex: ['mlkem768x25519-sha256', 'curve25519-sha256', 'curve25519-sha256@libssh.org'],
  hostKey: [
    'ssh-ed25519',
    'ecdsa-sha2-nistp256',
    'ecdsa-sha2-nistp384',
    'ecdsa-sha2-nistp521',
    'rsa-sha2-512',
    'rsa-sha2-256',
  ],
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes256-ctr', 'aes128-ctr'],
  mac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com'],
};

/**
 * What a server offers a client that calls itself so. OpenSSH before 10 lists AES-CTR before AES-GCM, and the client's
 * order wins: the piper would spend several times the CPU seconds on each GiB. All since 6.2 have AES-GCM, so they are offered
 * nothing else. Other clients keep the whole list, and their order.
 */
export function ciphersFor(remoteSoftware: string): readonly string[] {
  const version = /^OpenSSH_(?:for_Windows_)?(\d{1,4})\.(\d{1,4})/.exec(remoteSoftware);
  if (version === null) return DEFAULT_ALGORITHMS.cipher;
  const [major, minor] = [Number(version[1]), Number(version[2])];
  if (major < 6 || (major === 6 && minor < 2)) return DEFAULT_ALGORITHMS.cipher;
  return DEFAULT_ALGORITHMS.cipher.filter((cipher) => isAead(cipher));
}

/** Clients of which no version has AES-GCM or a MAC over the ciphertext, or none that is older than a few years. */
const KNOWS_NO_NEWER_MAC = /^(?:dropbear|libssh2)_/;

/**
 * The MACs that a server offers a client that calls itself so: to those who could not log in otherwise also one over the
 * plaintext, as the last. Nobody in between can make others get it: what the two call themselves is under the signature
 * of the host key (RFC 4253 §8).
 */
export function macsFor(remoteSoftware: string): readonly string[] {
  const { mac } = DEFAULT_ALGORITHMS;
  return KNOWS_NO_NEWER_MAC.test(remoteSoftware) ? [...mac, 'hmac-sha2-256'] : mac;
}

/** RFC 8308 §3.1: the signature algorithms that our server takes from users. */
export const USER_SIGNATURE_ALGORITHMS: readonly string[] = [
  'ssh-ed25519',
  'sk-ssh-ed25519@openssh.com',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'sk-ecdsa-sha2-nistp256@openssh.com',
  'rsa-sha2-512',
  'rsa-sha2-256',
];
