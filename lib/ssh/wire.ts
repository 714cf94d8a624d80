import { SshError } from './errors.ts';

const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

// RFC 4250 §4.6.1: names are printable US-ASCII, no comma, no space, at most 64 characters.
const NAME = /^[\x21-\x2b\x2d-\x7e]{1,64}$/;

function malformed(what: string): SshError {
  return new SshError('protocol', `malformed message: ${what}`);
}

/** Reads the data types of RFC 4251 §5. Strings are views of the buffer: copy what must outlive it. */
export class Reader {
  readonly #buffer: Buffer;
  #offset: number;

  constructor(buffer: Buffer, offset = 0) {
    if (offset > buffer.length) throw malformed('it ends too early');
    this.#buffer = buffer;
    this.#offset = offset;
  }

  get remaining(): number {
    return this.#buffer.length - this.#offset;
  }

  /** Where the next read begins. */
  get offset(): number {
    return this.#offset;
  }

  byte(): number {
    return this.#buffer.readUInt8(this.#take(1));
  }

  boolean(): boolean {
    return this.byte() !== 0;
  }

  uint32(): number {
    return this.#buffer.readUInt32BE(this.#take(4));
  }

  uint64(): bigint {
    return this.#buffer.readBigUInt64BE(this.#take(8));
  }

  /** `length` bytes without a length in front of them. */
  raw(length: number): Buffer {
    const start = this.#take(length);
    return this.#buffer.subarray(start, start + length);
  }

  string(): Buffer {
    return this.raw(this.uint32());
  }

  utf8(): string {
    const bytes = this.string();
    try {
      return utf8Decoder.decode(bytes);
    } catch (cause) {
      throw new SshError('protocol', 'malformed message: a text is not UTF-8', { cause });
    }
  }

  name(): string {
    const name = this.string().toString('latin1');
    if (!NAME.test(name)) throw malformed('a name is not 1 to 64 printable US-ASCII characters');
    return name;
  }

  nameList(): string[] {
    const list = this.string();
    if (list.length === 0) return [];
    const names = list.toString('latin1').split(',');
    if (!names.every((name) => NAME.test(name))) throw malformed('a name-list holds an invalid name');
    return names;
  }

  /** The magnitude, without leading zeros. Nothing in SSH wants a negative one; RFC 4251 §5 forbids padded ones. */
  mpint(): Buffer {
    const bytes = this.string();
    if (bytes.length === 0) return bytes;
    const first = bytes.readUInt8(0);
    if (first >= 0x80) throw malformed('an mpint is negative');
    if (first > 0) return bytes;
    if (bytes.length === 1 || bytes.readUInt8(1) < 0x80) throw malformed('an mpint has unnecessary leading zeros');
    return bytes.subarray(1);
  }

  rest(): Buffer {
    return this.raw(this.remaining);
  }

  end(): void {
    if (this.remaining > 0) throw malformed('there are bytes after its end');
  }

  #take(length: number): number {
    const start = this.#offset;
    if (length > this.#buffer.length - start) throw malformed('it ends too early');
    this.#offset = start + length;
    return start;
  }
}

/** Writes the data types of RFC 4251 §5. */
export class Writer {
  #buffer: Buffer;
  #length = 0;

  constructor(capacity = 256) {
    this.#buffer = Buffer.allocUnsafe(capacity);
  }

  byte(value: number): this {
    const start = this.#reserve(1);
    this.#buffer.writeUInt8(value, start);
    return this;
  }

  boolean(value: boolean): this {
    return this.byte(value ? 1 : 0);
  }

  uint32(value: number): this {
    const start = this.#reserve(4);
    this.#buffer.writeUInt32BE(value, start);
    return this;
  }

  uint64(value: bigint): this {
    const start = this.#reserve(8);
    this.#buffer.writeBigUInt64BE(value, start);
    return this;
  }

  string(value: string | Uint8Array): this {
    const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
    return this.uint32(bytes.length).raw(bytes);
  }

  nameList(names: readonly string[]): this {
    return this.string(names.join(','));
  }

  /** Takes a magnitude, big-endian; leading zeros do not matter. */
  mpint(magnitude: Uint8Array): this {
    let start = 0;
    while (start < magnitude.length && magnitude[start] === 0) start++;
    const digits = magnitude.subarray(start);
    const first = digits[0];
    // A set highest bit would make the number negative: a zero byte goes in front.
    if (first === undefined || first < 0x80) return this.string(digits);
    return this.uint32(digits.length + 1)
      .byte(0)
      .raw(digits);
  }

  raw(bytes: Uint8Array): this {
    const start = this.#reserve(bytes.length);
    this.#buffer.set(bytes, start);
    return this;
  }

  /** A view of what has been written; the writer is done after it. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #reserve(length: number): number {
    const start = this.#length;
    const needed = start + length;
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, start);
      this.#buffer = larger;
    }
    this.#length = needed;
    return start;
  }
}
