import { createHash, timingSafeEqual } from 'node:crypto';
import { SshError } from '../errors.ts';
import type { ParsedBlob } from './key-blob.ts';
import { parseBlob } from './key-blob.ts';
import type { KeyType } from './key-types.ts';
import { signatureAlgorithmsOf } from './key-types.ts';
import { type SignatureRules, TOUCHED, verifySignature } from './signature.ts';

// One blank, and then whatever: with `[ \t]+` in front of `.*`, a line break far behind takes quadratic time.
const LINE = /^(\S+)[ \t]+([A-Za-z0-9+/]+={0,2})(?:[ \t].*)?$/;

/** A public key, of one of the types in key-types.ts. */
export class PublicKey {
  readonly keyType: KeyType;
  /** Text (latin1) where the key stands in a line: of those there are many, and most are only ever compared. */
  #blob: Buffer | string;
  #parsed: ParsedBlob | undefined;

  private constructor(blob: Buffer) {
    // A copy: the blob is usually a view of a message.
    const copy = Buffer.from(blob);
    this.#parsed = parseBlob(copy);
    this.#blob = copy;
    this.keyType = this.#parsed.keyType;
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
    // A Buffer costs several times its bytes, and OpenSSL's object of a key kilobytes.
    key.#blob = blob.toString('latin1');
    key.#parsed = undefined;
    return key;
  }

  get blob(): Buffer {
    return typeof this.#blob === 'string' ? Buffer.from(this.#blob, 'latin1') : this.#blob;
  }

  get type(): string {
    return this.keyType.name;
  }

  /** What it may sign with: for RSA never SHA-1. */
  get signatureAlgorithms(): readonly string[] {
    return signatureAlgorithmsOf(this.type);
  }

  /** Held by a security key: only such a one knows of touches. */
  get isSecurityKey(): boolean {
    return this.keyType.family !== 'rsa' && this.keyType.securityKey;
  }

  /** As OpenSSH prints it: SHA256:… without padding. */
  get fingerprint(): string {
    return `SHA256:${createHash('sha256').update(this.blob).digest('base64').replaceAll('=', '')}`;
  }

  toLine(comment = ''): string {
    const line = `${this.type} ${this.blob.toString('base64')}`;
    return comment === '' ? line : `${line} ${comment}`;
  }

  /** In constant time for keys of one length. */
  equals(other: PublicKey): boolean {
    const [mine, theirs] = [this.blob, other.blob];
    return mine.length === theirs.length && timingSafeEqual(mine, theirs);
  }

  /** `signature` is the whole blob: string format, string value, and what security keys add. Never throws. */
  verify(algorithm: string, data: Buffer, signature: Buffer, rules: SignatureRules = TOUCHED): boolean {
    if (!this.signatureAlgorithms.includes(algorithm)) return false;
    try {
      this.#parsed ??= parseBlob(this.blob);
      return verifySignature(this.#parsed, { algorithm, data, signature }, rules);
    } catch {
      // An unreadable signature is a wrong signature: to the one who sent it there is no difference.
      return false;
    }
  }
}
