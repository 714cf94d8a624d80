import { SshError } from '../errors.ts';
import { Reader, Writer } from '../wire.ts';
import { readCertificateOptions } from './certificate-options.ts';
import type { KeyOptions } from './key-options.ts';
import { certificateAlgorithms, CERTIFIED_TYPES, KEY_TYPES } from './key-types.ts';
import { PublicKey } from './public-key.ts';
import type { SignatureRules } from './signature.ts';

/** OpenSSH PROTOCOL.certkeys. */
const USER = 1;
const MOST_PRINCIPALS = 256;
const LONGEST_PRINCIPAL = 255;
const LONGEST_KEY_ID = 255;
/** The last second that a Date can hold. */
const LATEST = 8_640_000_000_000n;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * A certificate (OpenSSH PROTOCOL.certkeys) whose signature is its authority's. Whether anybody trusts that authority,
 * and for whom, is for the line that names it to say: see authorization.ts.
 */
export class Certificate {
  /** What is certified, and what must sign. */
  readonly key: PublicKey;
  readonly authority: PublicKey;
  readonly isForUsers: boolean;
  readonly serial: bigint;
  /** As the authority wrote it; fit to be shown. */
  readonly keyId: string;
  readonly principals: readonly string[];
  /** Milliseconds since the epoch; its end is in the options. */
  readonly validAfter: number;
  /** What it restricts; undefined where it has critical options that we do not honour, or damaged ones. */
  readonly options: KeyOptions | undefined;
  /** The names that it logs in by, and what each signs with. */
  readonly #algorithms: ReadonlyMap<string, string>;

  private constructor(reader: Reader, blob: Buffer) {
    const type = CERTIFIED_TYPES.get(reader.name());
    if (type === undefined) throw new SshError('unsupported-key', 'this is no certificate of a supported type');
    // The nonce: it only makes what is signed unforeseeable.
    reader.string();
    this.key = readKey(reader, type);
    this.serial = reader.uint64();
    this.isForUsers = reader.uint32() === USER;
    this.keyId = printable(reader.string());
    this.principals = readPrincipals(reader.string());
    this.validAfter = milliseconds(reader.uint64());
    const expiresAt = milliseconds(reader.uint64());
    this.options = readCertificateOptions(reader.string(), reader.string(), expiresAt);
    // Reserved, and to be ignored.
    reader.string();
    // One that is itself a certificate is no key type: there are no chains.
    this.authority = PublicKey.fromBlob(reader.string());
    const signed = blob.subarray(0, reader.offset);
    const signature = reader.string();
    reader.end();
    if (!this.authority.verify(new Reader(signature).name(), signed, signature)) {
      throw new SshError('key', 'the certificate is not signed by its authority');
    }
    this.#algorithms = certificateAlgorithms(this.key.signatureAlgorithms);
  }

  static isCertificate(blob: Buffer): boolean {
    try {
      return CERTIFIED_TYPES.has(new Reader(blob).name());
    } catch {
      return false;
    }
  }

  /** Throws SshError `key`, `weak-key` or `unsupported-key`; also where its signature is not its authority's. */
  static fromBlob(blob: Buffer): Certificate {
    try {
      return new Certificate(new Reader(blob), blob);
    } catch (cause) {
      if (cause instanceof SshError && cause.code !== 'protocol') throw cause;
      throw new SshError('key', 'the certificate is damaged', { cause });
    }
  }

  /** RFC 8332's names for RSA; an RSA certificate, too, never signs with SHA-1. */
  get signatureAlgorithms(): readonly string[] {
    return [...this.#algorithms.keys()];
  }

  /** A signature of the certified key, in the name of one of {@link signatureAlgorithms}. Never throws. */
  verify(algorithm: string, data: Buffer, signature: Buffer, rules?: SignatureRules): boolean {
    return this.key.verify(this.#algorithms.get(algorithm) ?? '', data, signature, rules);
  }
}

/** The fields of the key, as its own blob has them behind its type. */
function readKey(reader: Reader, type: string): PublicKey {
  const keyType = KEY_TYPES.get(type);
  const isSecurityKey = keyType !== undefined && keyType.family !== 'rsa' && keyType.securityKey;
  const fields = (keyType?.family === 'ed25519' ? 1 : 2) + (isSecurityKey ? 1 : 0);
  const writer = new Writer().string(type);
  for (let field = 0; field < fields; field++) writer.string(reader.string());
  return PublicKey.fromBlob(writer.bytes());
}

function readPrincipals(packed: Buffer): string[] {
  const reader = new Reader(packed);
  const principals: string[] = [];
  while (reader.remaining > 0) {
    const bytes = reader.string();
    if (bytes.length > LONGEST_PRINCIPAL || principals.length >= MOST_PRINCIPALS)
      throw new SshError('key', 'the certificate has too many principals, or too long ones');
    principals.push(utf8.decode(bytes));
  }
  return principals;
}

/** Seconds to milliseconds; later than any Date is for ever (PROTOCOL.certkeys: all bits set). */
function milliseconds(seconds: bigint): number {
  return seconds > LATEST ? Infinity : Number(seconds) * 1000;
}

/** For records: an authority may write anything, but not a line of ours. */
function printable(bytes: Buffer): string {
  return bytes.subarray(0, LONGEST_KEY_ID).toString('utf8').replaceAll(/\p{C}/gu, '?');
}
