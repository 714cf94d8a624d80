import type { PrivateKey } from '../keys/private-key.ts';
import type { PublicKey } from '../keys/public-key.ts';
import type { SshError } from '../errors.ts';
import type { Algorithms } from './algorithms.ts';

export type TransportOptions = {
  role: 'client' | 'server';
  /** After "SSH-2.0-"; begins with "OpenSSH_", so that OpenSSH clients send eow@openssh.com. */
  software: string;
  /** Server only. */
  hostKeys?: readonly PrivateKey[];
  /** Client only, and required there. */
  verifyHostKey?: (key: PublicKey) => boolean;
  algorithms?: Partial<Algorithms>;
  rekeyAfterBytes?: number;
  rekeyAfterMs?: number;
  now?: () => number;
  write: (chunk: Buffer) => void;
  onReady: () => void;
  onMessage: (payload: Buffer) => void;
  onClose: (error: SshError | undefined) => void;
  /** A key exchange began, has let the queue go, or has ended: look again at queuedBytes and isExchangingKeys. */
  onExchangeStep?: () => void;
};

export type Negotiated = { kex: string; hostKey: string; cipherIn: string; cipherOut: string };

export class Transport {
  constructor(_options: TransportOptions) {
    throw new Error('not written yet');
  }

  start(): void {}
  receive(_chunk: Buffer): void {}
  send(_payload: Uint8Array): void {}
  rekey(): void {}
  disconnect(_reason: number, _description: string): void {}
  /** The connection is gone: nothing is written. */
  abort(_error?: SshError): void {}
  /** Answers the message being delivered with SSH_MSG_UNIMPLEMENTED (RFC 4253 §11.4). */
  unimplemented(): void {}

  get queuedBytes(): number {
    return 0;
  }
  get sessionId(): Buffer {
    throw new Error('not written yet');
  }
  get remoteSoftware(): string {
    throw new Error('not written yet');
  }
  get negotiated(): Negotiated {
    throw new Error('not written yet');
  }
  get peerSignatureAlgorithms(): readonly string[] {
    return [];
  }
  get closed(): boolean {
    return false;
  }
  get isExchangingKeys(): boolean {
    return false;
  }
}
