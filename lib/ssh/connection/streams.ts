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

/** Writes received data; the window opens again as the stream takes it, so at most one window waits in memory. */
export function receiveInto(writable: Writable, channel: Channel, data: Buffer): void {
  // A copy: the data is a view of what the transport reads next into.
  writable.write(Buffer.from(data), () => channel.taken(data.length));
}
