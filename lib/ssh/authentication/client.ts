import type { SshError } from '../errors.ts';
import type { PrivateKey } from '../keys/private-key.ts';
import type { Transport } from '../transport/transport.ts';

export type UserAuthenticationClientOptions = {
  transport: Transport;
  username: string;
  key: PrivateKey;
  onSuccess: () => void;
  onFailure: (error: SshError) => void;
};

export class UserAuthenticationClient {
  constructor(_options: UserAuthenticationClientOptions) {
    throw new Error('not written yet');
  }

  start(): void {}
  receive(_payload: Buffer): void {}
}
