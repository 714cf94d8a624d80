import { SshError } from '../errors.ts';
import type { PrivateKey } from '../keys/private-key.ts';
import type { PublicKey } from '../keys/public-key.ts';
import type { Algorithms } from './algorithms.ts';
import { DEFAULT_ALGORITHMS } from './algorithms.ts';

export type TransportOptions = {
  role: 'client' | 'server';
  /** After "SSH-2.0-"; begins with "OpenSSH_", so that OpenSSH clients send eow@openssh.com. */
  software: string;
  /** Server only, and required there. */
  hostKeys?: readonly PrivateKey[];
  /** Server only: users may come with certificates. Default: certificates are no keys. */
  userCertificates?: boolean;
  /** Client only, and required there: false ends the connection (`host-key`) before any authentication. */
  verifyHostKey?: (key: PublicKey) => boolean;
  /** Overrides of the policy in algorithms.ts; with a `cipher`, a server offers that to whomever. */
  algorithms?: Partial<Algorithms>;
  /** When we begin a key exchange by ourselves: 1 GiB in one direction, or an hour (RFC 4253 §9). */
  rekeyAfterBytes?: number;
  rekeyAfterMs?: number;
  /**
   * The peer begins another key exchange, which neither data nor time explains. False ends the connection: the peer's own
   * connection may well be within its bounds, and all connections of one whom they belong to not.
   */
  admitRekey?: () => boolean;
  /** Milliseconds that only go forward. */
  now?: () => number;
  /** Takes what goes to the peer, in order; the owner handles backpressure. */
  write: (chunk: Buffer) => void;
  /** The first key exchange is complete in both directions. */
  onReady: () => void;
  /**
   * Every message that is not the transport's own, as a view that is valid only during the call. What it throws ends
   * the connection: an SshError with its code and reason, anything else as `internal`.
   */
  onMessage: (payload: Buffer) => void;
  /** Exactly once. Undefined after our own disconnect(). */
  onClose: (error: SshError | undefined) => void;
  /** A key exchange began, has let the queue go, or has ended: look again at queuedBytes and isExchangingKeys. */
  onExchangeStep?: () => void;
};

export type Negotiated = { kex: string; hostKey: string; cipherIn: string; cipherOut: string };

/** The policy, cut down to what this side can do; throws `internal` for what an owner must give. */
export function usableAlgorithms(options: TransportOptions): Algorithms {
  const algorithms = { ...DEFAULT_ALGORITHMS, ...options.algorithms };
  if (options.role === 'client') {
    if (options.verifyHostKey === undefined) throw new SshError('internal', 'a client must verify the host key');
    return algorithms;
  }
  const hostKeys = options.hostKeys ?? [];
  const hostKey = algorithms.hostKey.filter((algorithm) =>
    hostKeys.some((key) => key.publicKey.signatureAlgorithms.includes(algorithm)),
  );
  if (hostKey.length === 0) throw new SshError('internal', 'a server needs a host key of an allowed type');
  return { ...algorithms, hostKey };
}
