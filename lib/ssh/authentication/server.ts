import type { PublicKey } from '../keys/public-key.ts';
import type { Transport } from '../transport/transport.ts';

export type VerifiedUser = { username: string; key: PublicKey };

export type RefusedAttempt = {
  username: string;
  fingerprint?: string;
  method: string;
  reason: string;
  /** Whether it counts against maxTries: key queries do not. */
  counted: boolean;
};

export type UserAuthenticationServerOptions = {
  transport: Transport;
  authorize: (username: string, key: PublicKey) => boolean;
  maxTries: number;
  banner?: string;
  onVerified: (user: VerifiedUser) => void;
  onRefused?: (attempt: RefusedAttempt) => void;
};

export class UserAuthenticationServer {
  constructor(_options: UserAuthenticationServerOptions) {
    throw new Error('not written yet');
  }

  receive(_payload: Buffer): void {}
  succeed(): void {}
  banner(_text: string): void {}
}
