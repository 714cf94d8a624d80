import net from 'node:net';
import type { ChannelEvents, Channel } from '../lib/ssh/connection/channel.ts';
import type { ChannelOpen } from '../lib/ssh/connection/channel-open.ts';
import { sendFrom, Sink } from '../lib/ssh/connection/streams.ts';
import { OPEN_FAILURE } from '../lib/ssh/numbers.ts';
import type { Reader } from '../lib/ssh/wire.ts';

export type Destination = { host: string; port: number };

// What one forwarded connection may make us hold in each direction.
const WINDOW = 512 * 1024;
const CONNECT_TIMEOUT_MS = 10_000;
// After its channel is gone, what a socket has not delivered by then is lost.
const LINGER_MS = 5000;

/** The fields of `direct-tcpip` (RFC 4254 §7.2). The originator is what the client claims; nobody needs it. */
export function readDirectTcpip(fields: Reader): Destination {
  const host = fields.string().toString('latin1');
  const port = fields.uint32();
  fields.string();
  fields.uint32();
  fields.end();
  return { host, port };
}

/** Connects the channel to the first of `addresses` that answers. `onGone` is called once, when no socket is left. */
export function forward(open: ChannelOpen, addresses: readonly string[], port: number, onGone: () => void): void {
  const [host, ...others] = addresses;
  if (host === undefined || open.settled) {
    open.refuse(OPEN_FAILURE.CONNECT_FAILED, 'nothing listens there');
    return onGone();
  }
  const socket = net.connect({ host, port, allowHalfOpen: true, noDelay: true });
  const failed = (): void => {
    socket.destroy();
    forward(open, others, port, onGone);
  };
  socket.setTimeout(CONNECT_TIMEOUT_MS, failed);
  socket.once('error', failed);
  socket.once('connect', () => {
    socket.setTimeout(0);
    socket.removeListener('timeout', failed);
    socket.removeListener('error', failed);
    socket.once('close', onGone);
    if (open.settled) socket.destroy();
    else open.accept((channel) => forwardEvents(socket, channel), WINDOW);
  });
}

function forwardEvents(socket: net.Socket, channel: Channel): ChannelEvents {
  const source = sendFrom(socket, channel, { stderr: false, onEnd: () => channel.eof() });
  const sink = new Sink(channel);
  sink.attach(socket);
  socket.once('close', () => channel.close());
  return {
    onData: (data) => sink.write(data),
    onEof: () => sink.end(),
    onRequest: () => false,
    onWritable: source.resume,
    onClose: () => {
      socket.destroySoon();
      setTimeout(() => socket.destroy(), LINGER_MS).unref();
    },
  };
}
