import type net from 'node:net';
import { readBuffers, type ReadBuffer } from './read-buffers.ts';

/** Outputs that were written to in the batch under way; undefined outside of one. */
let batch: BatchedOutput[] | undefined;

/**
 * What is written to whatever socket during `work` leaves at its end: one system call per socket for all that one read
 * has brought.
 */
export function inBatch<Result>(work: () => Result): Result {
  if (batch !== undefined) return work();
  const outputs: BatchedOutput[] = [];
  batch = outputs;
  try {
    return work();
  } finally {
    batch = undefined;
    for (const output of outputs) output.flush();
  }
}

/** The packets for one socket. Those that lie side by side in a read buffer are written as one piece. */
export class BatchedOutput {
  readonly #socket: net.Socket;
  #isHeld = false;
  /** A piece that has not been given to the socket, in `#owner`; it may still grow at its end. */
  #owner: ReadBuffer | 'shared' | undefined;
  #start = 0;
  #end = 0;

  constructor(socket: net.Socket) {
    this.#socket = socket;
  }

  /** The bytes must not change afterwards, unless they are a read buffer's: that is held until they are on their way. */
  write(chunk: Buffer): void {
    if (!this.#socket.writable) return;
    this.#hold();
    const owner = readBuffers.ownerOf(chunk);
    if (owner === undefined) {
      this.#emit();
      this.#socket.write(chunk);
    } else if (owner === this.#owner && chunk.byteOffset === this.#end) {
      this.#end += chunk.length;
    } else {
      this.#emit();
      if (owner !== 'shared') owner.hold();
      this.#owner = owner;
      this.#start = chunk.byteOffset;
      this.#end = chunk.byteOffset + chunk.length;
    }
    if (!this.#isHeld) this.flush();
  }

  /** Gives everything to the socket, before it ends for example. */
  flush(): void {
    this.#emit();
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#socket.uncork();
  }

  #hold(): void {
    if (batch === undefined || this.#isHeld) return;
    this.#isHeld = true;
    batch.push(this);
    this.#socket.cork();
  }

  #emit(): void {
    const owner = this.#owner;
    if (owner === undefined) return;
    this.#owner = undefined;
    const bytes = owner === 'shared' ? readBuffers.shared : owner.bytes;
    const view = bytes.subarray(this.#start - bytes.byteOffset, this.#end - bytes.byteOffset);
    if (owner === 'shared') this.#socket.write(Buffer.from(view));
    else this.#socket.write(view, owner.release);
  }
}
