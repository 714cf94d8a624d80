import { createRequire } from 'node:module';

/**
 * The AES-GCM of ssh2's addon: it works in place, with one call per packet (4 us for 32 KiB, where node:crypto takes 23),
 * and counts the invocation field of the IV itself (RFC 5647 §7.1). Its objects are freed by garbage collection; we
 * never call their free(), because a call after it would crash the process.
 */
export type NativeGcm = {
  /** `encrypt` takes length | padding length … padding | 16 bytes for the tag. */
  AESGCMCipher: new (name: string, key: Buffer, iv: Buffer) => { encrypt(packet: Buffer): void };
  /** `decrypt` throws when the tag is wrong. */
  AESGCMDecipher: new (
    name: string,
    key: Buffer,
    iv: Buffer,
  ) => { decrypt(body: Buffer, length: number, tag: Buffer): void };
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

// Two spellings of one path. esbuild resolves the free `require` and copies the file (its output has such a function);
// unbuilt, an ES module has none, and createRequire finds the file in node_modules.
function load(): unknown {
  if (typeof require === 'function') return require('ssh2/lib/protocol/crypto/build/Release/sshcrypto.node');
  return createRequire(import.meta.url)('ssh2/lib/protocol/crypto/build/Release/sshcrypto.node');
}

function find(): { gcm: NativeGcm | undefined; problem: unknown } {
  try {
    const addon = load();
    if (isNativeGcm(addon)) return { gcm: addon, problem: undefined };
    return { gcm: undefined, problem: new Error('sshcrypto.node does not hold the AES-GCM classes') };
  } catch (problem) {
    return { gcm: undefined, problem };
  }
}

const found = find();

export const nativeGcm = found.gcm;

/** Without the addon everything works, at three times the CPU: the piper refuses to start then. */
export const nativeCiphersAvailable = found.gcm !== undefined;

/** Why the addon did not load, for the log. */
export const nativeCiphersProblem = found.problem;
