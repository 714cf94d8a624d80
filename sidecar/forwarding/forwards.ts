import type net from 'node:net';
import type { Channel, ChannelEvents } from '../../lib/ssh/connection/channel.ts';
import type { Connection } from '../../lib/ssh/connection/connection.ts';
import { sendFrom, Sink } from '../../lib/ssh/connection/streams.ts';
import type { Counts } from '../counts.ts';
import { FORWARD_LINGER_MS, FORWARD_WINDOW, MAX_FORWARDS } from '../limits.ts';

/** What a connection may open, and the forwards that it has. */
export type Opener = Pick<Connection, 'open'>;

/** The forwarded connections of one SSH connection, whoever opened them: at most {@link MAX_FORWARDS}. */
export class Forwards {
  readonly #opener: Opener;
  readonly #counts: Counts;
  #count = 0;

  constructor(opener: Opener, counts: Counts) {
    this.#opener = opener;
    this.#counts = counts;
  }

  /** Makes room for one more; false where there is none. Each is followed by one {@link release}. */
  take(): boolean {
    if (this.#count >= MAX_FORWARDS) {
      this.#counts.refused('forwards');
      return false;
    }
    this.#count++;
    this.#counts.forwards++;
    return true;
  }

  /** One is gone, its socket included. */
  release(): void {
    this.#count--;
    this.#counts.forwards--;
  }

  /** A connection has come in the pod: opens a channel of ours for it. The client may not want it. */
  offer(socket: net.Socket, type: string, fields: Uint8Array): void {
    // One that fails is closed too, and that ends its channel.
    socket.on('error', () => undefined);
    if (!this.take()) {
      socket.destroy();
      return;
    }
    socket.once('close', () => this.release());
    const join = (channel: Channel): ChannelEvents => joinSocket(socket, channel);
    this.#opener.open(type, fields, join, FORWARD_WINDOW).catch(() => socket.destroy());
  }
}

/** Passes on what comes, both ways; each way ends by itself. */
export function joinSocket(socket: net.Socket, channel: Channel): ChannelEvents {
  const source = sendFrom(socket, channel, { stderr: false, onEnd: () => channel.eof() });
  const sink = new Sink(channel);
  sink.attach(socket);
  socket.once('close', () => channel.close());
  // It may have closed while its channel was being opened.
  if (socket.closed) channel.close();
  return {
    onData: (data) => sink.write(data),
    onEof: () => sink.end(),
    onRequest: () => false,
    onWritable: source.resume,
    onClose: () => {
      // What the client sent before it closed is still for the socket, at its reader's pace: OpenSSH sends EOF and CLOSE
      // together. What the socket has to say is read and dropped: unread, it would make the kernel reset the connection.
      source.resume();
      if (socket.writableFinished) socket.destroy();
      socket.once('finish', () => socket.destroy());
      socket.setTimeout(FORWARD_LINGER_MS, () => socket.destroy());
      sink.end();
    },
  };
}
