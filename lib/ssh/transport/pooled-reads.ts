import net from 'node:net';
import { readBuffers, type ReadBuffer } from './read-buffers.ts';

/** A read of at least this many bytes is bulk data, and more will come. */
const BULK_BYTES = 16 * 1024;
/** The beginning of a packet that is moved to the front of the next buffer, to be read on there. */
const MOST_CARRIED = 64 * 1024;

/**
 * Takes what has been read. Of an incomplete packet at its end it may leave up to `mostRest` bytes, and returns how many;
 * they come again, at the beginning of the next chunk. The chunk is not to be looked at later.
 */
export type ReceiveChunk = (chunk: Buffer, mostRest: number) => number;

/**
 * Reads a socket into pooled buffers instead of a new one for each read (net's option `onread`). Sockets that a server
 * has accepted cannot have that option, so a socket of our own takes over the connection.
 *
 * @returns that socket; the given one is dead. Undefined, and nothing has happened, where Node does not let us, or there is
 *   no connection: not yet, or no more.
 */
export function readPooled(socket: net.Socket, receive: ReceiveChunk): net.Socket | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  if (typeof handle !== 'object' || handle === null || !('useUserBuffer' in handle)) return undefined;
  if (socket.connecting || socket.destroyed || socket.readableEnded) return undefined;
  const early: unknown = socket.read();
  Reflect.set(socket, '_handle', null);
  const onread = new PooledReads(receive);
  const options = { onread, writableHighWaterMark: socket.writableHighWaterMark };
  // Not documented, but how net itself makes the sockets of a server.
  Reflect.set(options, 'handle', handle);
  const own = new net.Socket(options);
  own.once('close', onread.close);
  // A server counts its sockets until they close.
  for (const name of ['server', '_server']) {
    Reflect.set(own, name, Reflect.get(socket, name));
    Reflect.set(socket, name, null);
  }
  // Before anything else comes, and after our caller is ready for it.
  if (Buffer.isBuffer(early)) process.nextTick(receive, early, 0);
  return own;
}

class PooledReads implements net.OnReadOpts {
  readonly #receive: ReceiveChunk;
  /** Where the next read goes to; undefined: into the shared buffer. */
  #large: ReadBuffer | undefined;
  /** Bytes at the beginning of `#large` that were there before. */
  #carried = 0;

  constructor(receive: ReceiveChunk) {
    this.#receive = receive;
  }

  readonly buffer = (): Buffer => this.#large?.bytes.subarray(this.#carried) ?? readBuffers.shared;

  readonly callback = (count: number): boolean => {
    const current = this.#large;
    const chunk = (current?.bytes ?? readBuffers.shared).subarray(0, this.#carried + count);
    const next = count >= BULK_BYTES ? readBuffers.take() : undefined;
    this.#carried = this.#receive(chunk, next === undefined ? 0 : MOST_CARRIED);
    if (this.#carried > 0) next?.bytes.set(chunk.subarray(chunk.length - this.#carried));
    this.#large = next;
    if (current === undefined) readBuffers.usedShared(chunk);
    else current.release();
    return true;
  };

  /** The socket is closed: nothing is read any more. */
  readonly close = (): void => {
    this.#large?.release();
    this.#large = undefined;
    this.#carried = 0;
  };
}
