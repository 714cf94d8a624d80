import type { Readable, Writable } from 'node:stream';
import type { Channel } from './channel.ts';

/** A stream of Node's that feeds a channel, read only while the channel can send. */
export type Source = {
  /** For the channel's `onWritable`. */
  resume: () => void;
  /** Nobody takes the data any more. */
  stop: () => void;
};

/** Sends all that `readable` yields. `onEnd` is called once: it has ended, failed or been stopped. */
export function sendFrom(
  readable: Readable,
  channel: Channel,
  options: { stderr: boolean; onEnd: () => void },
): Source {
  let ended = false;
  const end = (): void => {
    if (ended) return;
    ended = true;
    options.onEnd();
  };
  readable.on('data', (chunk: Buffer) => {
    if (!channel.write(chunk, options.stderr)) readable.pause();
  });
  readable.on('end', end);
  readable.on('error', end);
  readable.on('close', end);
  return { resume: () => void readable.resume(), stop: () => void readable.destroy() };
}

/**
 * What a channel receives, on its way into a stream of Node's that may come later. The channel's window opens as the
 * stream takes the data, so at most one window waits here; in one piece, because a window of one-byte messages would
 * otherwise be two million objects.
 */
export class Sink {
  readonly #channel: Channel;
  #stream: Writable | undefined;
  #writing = false;
  #ended = false;
  #waiting = Buffer.alloc(0);
  #length = 0;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  attach(stream: Writable): void {
    this.#stream = stream;
    this.#next();
  }

  /** `data` may be a view that is not valid later. */
  write(data: Buffer): void {
    this.#reserve(this.#length + data.length);
    data.copy(this.#waiting, this.#length);
    this.#length += data.length;
    this.#next();
  }

  /** The stream ends behind the data. */
  end(): void {
    this.#ended = true;
    this.#next();
  }

  #next(): void {
    if (this.#stream === undefined || this.#writing) return;
    if (this.#length > 0) this.#writeWaiting(this.#stream);
    else if (this.#ended) this.#stream.end();
  }

  #writeWaiting(stream: Writable): void {
    const data = this.#waiting.subarray(0, this.#length);
    this.#waiting = Buffer.alloc(0);
    this.#length = 0;
    this.#writing = true;
    // Called also where the stream has failed: then the data has been disposed of too.
    stream.write(data, () => {
      this.#writing = false;
      this.#channel.taken(data.length);
      this.#next();
    });
  }

  #reserve(needed: number): void {
    if (needed <= this.#waiting.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#waiting.length * 2));
    this.#waiting.copy(larger, 0, 0, this.#length);
    this.#waiting = larger;
  }
}
