import net from 'node:net';
import type { ChannelOpen } from '../../lib/ssh/connection/channel-open.ts';
import { OPEN_FAILURE } from '../../lib/ssh/numbers.ts';
import type { Reader } from '../../lib/ssh/wire.ts';
import { CONNECT_TIMEOUT_MS, FORWARD_WINDOW } from '../limits.ts';
import { joinSocket } from './forwards.ts';

export type Destination = { host: string; port: number };

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
export function forwardToPort(open: ChannelOpen, addresses: readonly string[], port: number, onGone: () => void): void {
  const [host, ...others] = addresses;
  if (host === undefined || open.settled) {
    open.refuse(OPEN_FAILURE.CONNECT_FAILED, 'nothing listens there');
    return onGone();
  }
  const socket = net.connect({ host, port, allowHalfOpen: true, noDelay: true });
  const failed = (): void => {
    socket.destroy();
    forwardToPort(open, others, port, onGone);
  };
  socket.setTimeout(CONNECT_TIMEOUT_MS, failed);
  socket.once('error', failed);
  socket.once('connect', () => {
    socket.setTimeout(0);
    socket.removeListener('timeout', failed);
    socket.removeListener('error', failed);
    acceptSocket(open, socket, onGone);
  });
}

/** Answers an opening with a socket that is connected. */
export function acceptSocket(open: ChannelOpen, socket: net.Socket, onGone: () => void): void {
  socket.on('error', () => undefined);
  socket.once('close', onGone);
  if (open.settled) socket.destroy();
  else open.accept((channel) => joinSocket(socket, channel), FORWARD_WINDOW);
}
