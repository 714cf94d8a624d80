import { createRequire } from 'node:module';

/**
 * The AES-GCM of ssh2's addon: it works in place, with one call per packet (4 us for 32 KiB, where node:crypto takes 23),
 * and counts the invocation field of the IV itself (RFC 5647 §7.1).
 *
 * Two ways to crash the whole process are closed: a call after free(), which gcm.ts never makes, and garbage collection.
 * As ssh2 ships it, the addon's classes derive from node::ObjectWrap, whose destructor in Node 24.21 aborts when the
 * collector runs while no context is entered, between two microtasks say (nodejs/node#65195 and its kind).
 * scripts/rebuild-ssh2.sh builds it without that, and marks what it has built; here any other is refused.
 */
export type NativeGcm = {
  /** `encrypt` takes length | padding length … padding | 16 bytes for the tag. */
  AESGCMCipher: new (name: string, key: Buffer, iv: Buffer) => { encrypt(packet: Buffer): void; free(): void };
  /** `decrypt` throws when the tag is wrong. */
  AESGCMDecipher: new (
    name: string,
    key: Buffer,
    iv: Buffer,
  ) => { decrypt(body: Buffer, length: number, tag: Buffer): void; free(): void };
};

function isNativeGcm(value: unknown): value is NativeGcm {
  if (typeof value !== 'object' || value === null) return false;
  return (
    'AESGCMCipher' in value &&
    typeof value.AESGCMCipher === 'function' &&
    'AESGCMDecipher' in value &&
    typeof value.AESGCMDecipher === 'function'
  );
}

/** The addon, if it is one that this process survives; throws an Error that says what it is instead. */
export function checkAddon(addon: unknown): NativeGcm {
  if (!isNativeGcm(addon)) throw new Error('sshcrypto.node does not hold the AES-GCM classes');
  // The mark that scripts/rebuild-ssh2.sh compiles in.
  if ('sshaccess' in addon && addon.sshaccess === 1) return addon;
  throw new Error('sshcrypto.node is not as scripts/rebuild-ssh2.sh builds it: run npm ci again');
}

// Two spellings of one path. esbuild resolves the free `require` and copies the file (its output has such a function);
// unbuilt, an ES module has none, and createRequire finds the file in node_modules.
function load(): unknown {
  if (typeof require === 'function') return require('ssh2/lib/protocol/crypto/build/Release/sshcrypto.node');
  return createRequire(import.meta.url)('ssh2/lib/protocol/crypto/build/Release/sshcrypto.node');
}

function find(): { gcm: NativeGcm | undefined; problem: unknown } {
  try {
    return { gcm: checkAddon(load()), problem: undefined };
  } catch (problem) {
    return { gcm: undefined, problem };
  }
}

const found = find();

export const nativeGcm = found.gcm;

/** Without the addon, or with ssh2's own, everything works, at three times the CPU: the piper refuses to start then. */
export const nativeCiphersAvailable = found.gcm !== undefined;

/** Why the addon did not load, for the log. */
export const nativeCiphersProblem = found.problem;
