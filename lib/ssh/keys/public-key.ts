import { createHash, timingSafeEqual } from 'node:crypto';
import { SshError } from '../errors.ts';
import type { ParsedBlob } from './key-blob.ts';
import { parseBlob } from './key-blob.ts';
import type { KeyType } from './key-types.ts';
import { signatureAlgorithmsOf } from './key-types.ts';
import { type SignatureRules, TOUCHED, verifySignature } from './signature.ts';

// One blank, and then whatever: with `[ \t]+` in front of `.*`, a line break far behind takes quadratic time.
const LINE = /^(\S+)[ \t]+([A-Za-z0-9+/]+={0,2})(?:[ \t].*)?$/;

/** A public key, of one of the types in key-types.ts; its node:crypto object is made once. */
export class PublicKey {
  readonly type: string;
  readonly blob: Buffer;
  /** As OpenSSH prints it: SHA256:… without padding. */
  readonly fingerprint: string;
  /** What it may sign with: for RSA never SHA-1. */
  readonly signatureAlgorithms: readonly string[];
  readonly #parsed: ParsedBlob;

  private constructor(blob: Buffer) {
    // A copy: the blob is usually a view of a message.
    this.blob = Buffer.from(blob);
    this.#parsed = parseBlob(this.blob);
    this.type = this.#parsed.type;
    this.fingerprint = `SHA256:${createHash('sha256').update(this.blob).digest('base64').replaceAll('=', '')}`;
    this.signatureAlgorithms = signatureAlgorithmsOf(this.type);
  }

  /** Throws SshError `key`, `weak-key` or `unsupported-key`. */
  static fromBlob(blob: Buffer): PublicKey {
    return new PublicKey(blob);
  }

  /** Takes "type base64 [comment]" and nothing else; throws SshError `key`. */
  static fromLine(line: string): PublicKey {
    const [, type, base64] = LINE.exec(line) ?? [];
    if (type === undefined || base64 === undefined) {
      throw new SshError('key', 'a public key line reads: type, base64, and perhaps a comment');
    }
    const blob = Buffer.from(base64, 'base64');
    // Node skips what it does not understand in base64: only what comes out the same was all understood.
    if (blob.toString('base64') !== base64) throw new SshError('key', "the public key's base64 is damaged");
    const key = new PublicKey(blob);
    if (key.type !== type) throw new SshError('key', 'the public key is not of the type that its line says');
    return key;
  }

  /** Held by a security key: only such a one knows of touches. */
  get isSecurityKey(): boolean {
    return this.#parsed.application !== undefined;
  }

  get keyType(): KeyType {
    return this.#parsed.keyType;
  }

  toLine(comment = ''): string {
    const line = `${this.type} ${this.blob.toString('base64')}`;
    return comment === '' ? line : `${line} ${comment}`;
  }

  /** In constant time for keys of one length. */
  equals(other: PublicKey): boolean {
    return this.blob.length === other.blob.length && timingSafeEqual(this.blob, other.blob);
  }

  /** `signature` is the whole blob: string format, string value, and what security keys add. Never throws. */
  verify(algorithm: string, data: Buffer, signature: Buffer, rules: SignatureRules = TOUCHED): boolean {
    if (!this.signatureAlgorithms.includes(algorithm)) return false;
    try {
      return verifySignature(this.#parsed, { algorithm, data, signature }, rules);
    } catch {
      // An unreadable signature is a wrong signature: to the one who sent it there is no difference.
      return false;
    }
  }
}
