import type { Transport } from '../transport/transport.ts';

/** What a connection needs of the transport and the socket below it; `TransportSocket` is one. */
export type Link = {
  readonly transport: Pick<Transport, 'send' | 'unimplemented'>;
  /** The socket has enough to write: send no more channel data until {@link Connection.drained} is called. */
  readonly blocked: boolean;
  pause: () => void;
  resume: () => void;
};
