import type { Transport, TransportOptions } from '../transport/transport.ts';

export type SshPairOptions = {
  client?: Partial<TransportOptions>;
  server?: Partial<TransportOptions>;
  /** Splits what is written into pieces of at most this many bytes. */
  chunkSize?: number;
};

/** Two transports, connected in memory. Messages are delivered when `settle()` runs (or in a later microtask). */
export type SshPair = {
  client: Transport;
  server: Transport;
  /** Delivers everything that is under way, until nothing is. */
  settle: () => void;
};

export function connectSshPair(_options: SshPairOptions = {}): SshPair {
  throw new Error('not written yet');
}
