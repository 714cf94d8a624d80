/** Enough for everything but bulk data, and one for all sockets: an idle connection has no buffer of its own. */
const SHARED_BYTES = 64 * 1024;
/** What a busy socket reads at once: eight of OpenSSH's packets. */
const LARGE_BYTES = 256 * 1024;
/**
 * Large buffers that exist at a time, 16 MiB. A socket that was busy keeps its last one until it reads again, and one
 * that is being written from is in use, too; whoever finds none reads into the shared one.
 */
const MOST_LARGE = 64;
/** Those that are kept when nobody uses them. */
const MOST_FREE = 8;
const POISON = 0xdb;

/** A buffer for reads. It is nobody else's as long as somebody holds it. */
export type ReadBuffer = {
  readonly bytes: Buffer;
  hold(): void;
  /** A bound function: it is the callback of writes. */
  readonly release: () => void;
};

/**
 * The buffers that sockets read into. Node hands what it has read to JavaScript before it reads again, so all sockets of
 * a thread can share one, if nothing in it is looked at later; what is to be written from it must be copied. Bulk data
 * goes into large buffers instead, which are lent out and written from as they are.
 */
export class ReadBuffers {
  readonly shared: Buffer = Buffer.allocUnsafeSlow(SHARED_BYTES);
  readonly #lent = new WeakMap<ArrayBufferLike, ReadBuffer>();
  readonly #free: ReadBuffer[] = [];
  #count = 0;
  /** For tests: what has been used is overwritten, so that nobody goes on using it unnoticed. */
  poisons = false;

  /** Large buffers that exist. */
  get count(): number {
    return this.#count;
  }

  /** One that is held once, unless there are too many. */
  take(): ReadBuffer | undefined {
    const free = this.#free.pop();
    if (free === undefined && this.#count >= MOST_LARGE) return undefined;
    const taken = free ?? this.#make();
    taken.hold();
    return taken;
  }

  /** Whose bytes these are: a large buffer's, the shared one's, or neither's. */
  ownerOf(view: Buffer): ReadBuffer | 'shared' | undefined {
    return view.buffer === this.shared.buffer ? 'shared' : this.#lent.get(view.buffer);
  }

  /** What was read into the shared buffer has been dealt with. */
  usedShared(chunk: Buffer): void {
    if (this.poisons) chunk.fill(POISON);
  }

  #make(): ReadBuffer {
    const bytes = Buffer.allocUnsafeSlow(LARGE_BYTES);
    let holders = 0;
    const made: ReadBuffer = {
      bytes,
      hold: () => void holders++,
      release: () => {
        if (--holders === 0) this.#giveBack(made);
      },
    };
    this.#lent.set(bytes.buffer, made);
    this.#count++;
    return made;
  }

  #giveBack(buffer: ReadBuffer): void {
    if (this.poisons) buffer.bytes.fill(POISON);
    if (this.#free.length < MOST_FREE) this.#free.push(buffer);
    else this.#count--;
  }
}

/** Those of this thread. */
export const readBuffers: ReadBuffers = new ReadBuffers();
