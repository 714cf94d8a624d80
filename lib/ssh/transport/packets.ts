import { SshError } from '../errors.ts';
import type { Opener, Sealer, Shape } from './ciphers/cipher.ts';
import { plain } from './ciphers/cipher.ts';
import { fillRandom } from './random-pool.ts';

/** RFC 4253 §6.1: what everybody must be able to receive, and enough before anybody is authenticated. */
export const SMALL_PACKET_LENGTH = 35_000;
/** OpenSSH's own limit, and room for a channel data header: clients may ask for packets of 256 KiB. */
export const MAX_PACKET_LENGTH = 256 * 1024 + 1024;

const NOTHING = Buffer.alloc(0);

/** Finds packets in chunks of a byte stream, and opens them in place. Pull: `feed` a chunk, then `next` until undefined. */
export class PacketReader {
  maxPacketLength = SMALL_PACKET_LENGTH;
  packetsSinceKeys = 0;
  bytesSinceKeys = 0;
  /** RFC 4253 §6.4: of the packet returned last. */
  lastSequence = 0;

  #opener: Opener = plain;
  #nextSequence = 0;
  /** The packet returned last, its payload, and whether its bytes have been given away since. */
  #packet: Buffer = NOTHING;
  #payload: Buffer = NOTHING;
  #isGivenAway = false;
  #chunk: Buffer = NOTHING;
  #offset = 0;
  #mostRest = 0;
  #rest = 0;
  // The beginning of a packet whose end is not here yet.
  #partial: Buffer = NOTHING;
  #partialLength = 0;

  /**
   * Of an incomplete packet at the end of the chunk, up to `mostRest` bytes are left to the caller, who feeds them again
   * in front of what follows. More than that is copied and kept here.
   */
  feed(chunk: Buffer, mostRest = 0): void {
    this.#chunk = chunk;
    this.#offset = 0;
    this.#mostRest = mostRest;
    this.#rest = 0;
  }

  /** How many bytes were left to the caller, once `next` has returned undefined. */
  get rest(): number {
    return this.#rest;
  }

  /** The next payload: a view that is valid until the next call. Throws SshError `protocol` or `mac`. */
  next(): Buffer | undefined {
    const packet = this.#partialLength > 0 ? this.#completePartial() : this.#takeWhole();
    if (packet === undefined) {
      this.#leave();
      return undefined;
    }
    const sequence = this.#nextSequence;
    this.#opener.open(packet, sequence);
    this.lastSequence = sequence;
    this.#nextSequence = (sequence + 1) >>> 0;
    this.packetsSinceKeys++;
    this.bytesSinceKeys += packet.length;
    const end = packet.length - this.#opener.tagLength;
    const padding = packet.readUInt8(4);
    // At least four bytes of padding (RFC 4253 §6), and at least a message number.
    if (padding < 4 || end - padding <= 5) throw new SshError('protocol', 'a packet has invalid padding');
    this.#packet = packet;
    this.#payload = packet.subarray(5, end - padding);
    this.#isGivenAway = false;
    return this.#payload;
  }

  /** The shape of the packet returned last. */
  get shape(): Shape {
    return this.#opener;
  }

  /** Gives the whole packet away, if this is the payload that was returned last. It can be had once. */
  packetOf(payload: Buffer): Buffer | undefined {
    if (payload !== this.#payload) return undefined;
    if (this.#isGivenAway) throw new SshError('internal', 'the bytes of a packet are used again');
    this.#isGivenAway = true;
    return this.#packet;
  }

  changeKeys(opener: Opener, resetSequence: boolean): void {
    this.#opener.release();
    this.#opener = opener;
    this.packetsSinceKeys = 0;
    this.bytesSinceKeys = 0;
    if (resetSequence) this.#nextSequence = 0;
  }

  /** Forgets all input and the keys: nothing is read after a connection has ended. */
  stop(): void {
    this.#opener.release();
    this.#forgetChunk();
    this.#rest = 0;
    this.#partial = NOTHING;
    this.#partialLength = 0;
  }

  #takeWhole(): Buffer | undefined {
    const available = this.#chunk.length - this.#offset;
    if (available < this.#opener.headLength) return undefined;
    const start = this.#offset;
    const total = this.#totalLength(this.#opener.lengthOf(this.#chunk, start));
    if (available < total) return undefined;
    this.#offset = start + total;
    return this.#chunk.subarray(start, start + total);
  }

  #leave(): void {
    const left = this.#chunk.length - this.#offset;
    if (left <= this.#mostRest) this.#rest = left;
    else this.#appendPartial(left, left);
    this.#forgetChunk();
  }

  #forgetChunk(): void {
    this.#chunk = NOTHING;
    this.#offset = 0;
    this.#packet = NOTHING;
    this.#payload = NOTHING;
  }

  #completePartial(): Buffer | undefined {
    const { headLength } = this.#opener;
    if (this.#partialLength < headLength) this.#appendPartial(headLength - this.#partialLength, headLength);
    if (this.#partialLength < headLength) return undefined;
    const total = this.#totalLength(this.#opener.lengthOf(this.#partial, 0));
    this.#appendPartial(total - this.#partialLength, total);
    if (this.#partialLength < total) return undefined;
    const packet = this.#partial.subarray(0, total);
    // Not kept for the next time: an idle connection must not hold the largest packet it ever saw.
    this.#partial = NOTHING;
    this.#partialLength = 0;
    return packet;
  }

  /**
   * Moves at most `wanted` bytes from the chunk. The buffer grows twofold towards `total`, not at once: a peer that
   * announces 256 KiB and sends four bytes must not make us allocate it, and many small chunks must not cost
   * quadratic copies.
   */
  #appendPartial(wanted: number, total: number): void {
    const count = Math.min(wanted, this.#chunk.length - this.#offset);
    const needed = this.#partialLength + count;
    if (needed > this.#partial.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, Math.min(total, Math.max(1024, needed * 2))));
      this.#partial.copy(larger, 0, 0, this.#partialLength);
      this.#partial = larger;
    }
    this.#chunk.copy(this.#partial, this.#partialLength, this.#offset, this.#offset + count);
    this.#partialLength = needed;
    this.#offset += count;
  }

  #totalLength(length: number): number {
    const { blockSize, lengthIsPadded, tagLength } = this.#opener;
    const padded = lengthIsPadded ? length + 4 : length;
    // RFC 4253 §6: the smallest packet is 16 bytes (or the block size), and all are multiples of the block size.
    if (length > this.maxPacketLength || padded < 16 || padded % blockSize !== 0) {
      throw new SshError('protocol', 'a packet has an invalid length');
    }
    return 4 + length + tagLength;
  }
}

/** Frames and seals payloads. */
export class PacketWriter {
  packetsSinceKeys = 0;
  bytesSinceKeys = 0;

  #sealer: Sealer = plain;
  #nextSequence = 0;

  packet(payload: Uint8Array): Buffer {
    const { blockSize, lengthIsPadded, tagLength } = this.#sealer;
    const unpadded = (lengthIsPadded ? 5 : 1) + payload.length;
    let padding = blockSize - (unpadded % blockSize);
    if (padding < 4) padding += blockSize;
    // RFC 4253 §6: no packet is smaller than 16 bytes; with the plain block size of 8 a tiny one would be 8 … 16.
    if (unpadded + padding < 16) padding += blockSize;
    const end = 5 + payload.length + padding;
    const packet = Buffer.allocUnsafe(end + tagLength);
    packet.writeUInt32BE(end - 4, 0);
    packet.writeUInt8(padding, 4);
    packet.set(payload, 5);
    fillRandom(packet, end - padding, padding);
    this.#seal(packet);
    return packet;
  }

  /**
   * Seals a packet that was opened elsewhere, where it is, with the padding it has: if packets have the same shape there
   * and here. Else nothing happens, and the answer is false.
   */
  reseal(packet: Buffer, { blockSize, tagLength, lengthIsPadded }: Shape): boolean {
    const ours = this.#sealer;
    if (ours.blockSize !== blockSize || ours.tagLength !== tagLength || ours.lengthIsPadded !== lengthIsPadded)
      return false;
    this.#seal(packet);
    return true;
  }

  changeKeys(sealer: Sealer, resetSequence: boolean): void {
    this.#sealer.release();
    this.#sealer = sealer;
    this.packetsSinceKeys = 0;
    this.bytesSinceKeys = 0;
    if (resetSequence) this.#nextSequence = 0;
  }

  /** Nothing is written after a connection has ended. */
  stop(): void {
    this.#sealer.release();
  }

  #seal(packet: Buffer): void {
    this.#sealer.seal(packet, this.#nextSequence);
    this.#nextSequence = (this.#nextSequence + 1) >>> 0;
    this.packetsSinceKeys++;
    this.bytesSinceKeys += packet.length;
  }
}
