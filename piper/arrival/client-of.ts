import type { Socket } from 'node:net';
import type { Networks } from './networks.ts';
import { type Client, ProxyProtocolError, readProxyHeader } from './proxy-protocol.ts';
import { plainAddress } from './source.ts';

/** A proxy sends its header at once: who takes longer is none. */
const HEADER_TIMEOUT_MS = 5_000;

export type Arrival = {
  /** The socket's next byte is the client's first. */
  onClient: (client: Client) => void;
  /** It was closed: a trusted proxy did not say for whom it speaks. */
  onRefused: (problem: string) => void;
};

/**
 * Finds out who is at the other end: the peer, or whom a trusted proxy names. A trusted proxy must send a header (a
 * receiver that guesses can be lied to, section 2 of the specification); from anybody else a header is just not SSH.
 */
export function clientOf(socket: Socket, trusted: Networks, { onClient, onRefused }: Arrival): void {
  const peer = { address: plainAddress(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 };
  if (!trusted.contains(peer.address)) return onClient(peer);
  let received = Buffer.alloc(0);
  const settle = (): void => {
    clearTimeout(timer);
    socket.off('readable', read).off('close', closed);
  };
  const refuse = (problem: string): void => {
    settle();
    socket.destroy();
    onRefused(problem);
  };
  const closed = (): void => refuse('the proxy closed the connection before its PROXY header was whole');
  const timer = setTimeout(() => refuse('the PROXY header did not come in time'), HEADER_TIMEOUT_MS);
  const read = (): void => {
    const chunk: unknown = socket.read();
    if (!Buffer.isBuffer(chunk)) return;
    received = Buffer.concat([received, chunk]);
    try {
      const header = readProxyHeader(received);
      if (header === undefined) return;
      settle();
      const rest = received.subarray(header.bytes);
      if (rest.length > 0) socket.unshift(rest);
      onClient(header.client ?? peer);
    } catch (error) {
      if (!(error instanceof ProxyProtocolError)) throw error;
      refuse(error.message);
    }
  };
  socket.on('readable', read).on('close', closed);
}
