import { createRequire } from 'node:module';

/**
 * The AES-GCM of ssh2's addon: it works in place, with one call per packet (4 us for 32 KiB, where node:crypto takes 23),
 * and counts the invocation field of the IV itself (RFC 5647 §7.1).
 *
 * Two ways to crash the whole process are closed here and in gcm.ts: a call after free() (gcm.ts never makes one), and
 * garbage collection. The addon's classes derive from node::ObjectWrap, whose destructor in Node 24.21 aborts when the
 * collector runs outside of a JavaScript call (nodejs/node#65195 and its kind; reproduced with this addon). So no object
 * is ever collected: it is freed, which wipes its keys, and what remains of it (425 bytes) is kept in `retained`.
 * An addon built with Nan::ObjectWrap does not need that; then retainNative() goes.
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

const retained: object[] = [];

/** Keeps an object of the addon from the garbage collector. */
export function retainNative<T extends object>(object: T): T {
  retained.push(object);
  return object;
}
