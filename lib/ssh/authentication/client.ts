import { SshError } from '../errors.ts';
import type { PrivateKey } from '../keys/private-key.ts';
import { MSG } from '../numbers.ts';
import type { Transport } from '../transport/transport.ts';
import { Reader, Writer } from '../wire.ts';
import { AUTHENTICATION_SERVICE, signedData, unexpectedMessage, writeRequest } from './request.ts';

export type UserAuthenticationClientOptions = {
  transport: Transport;
  username: string;
  key: PrivateKey;
  onSuccess: () => void;
  /** The server refused; the connection is still there, for the owner to end. Broken rules end it through receive(). */
  onFailure: (error: SshError) => void;
};

// A banner is for people; we drop it, but not for ever.
const MAX_BANNERS = 16;

/**
 * The client's side of RFC 4252, for a key that is expected to be accepted: the service request and the signed request
 * leave together, without asking first (saves two round trips). What receive() throws is for Transport's onMessage.
 */
export class UserAuthenticationClient {
  readonly #options: UserAuthenticationClientOptions;
  #state: 'idle' | 'service' | 'request' | 'done' = 'idle';
  #banners = 0;

  constructor(options: UserAuthenticationClientOptions) {
    this.#options = options;
  }

  /** From Transport's onReady on. */
  start(): void {
    if (this.#state !== 'idle') throw new SshError('internal', 'user authentication has been started already');
    const { transport, username, key } = this.#options;
    const { blob } = key.publicKey;
    const algorithm = chooseAlgorithm(key.publicKey.signatureAlgorithms, transport.peerSignatureAlgorithms);
    const signature = key.sign(algorithm, signedData({ sessionId: transport.sessionId, username, algorithm, blob }));
    this.#state = 'service';
    transport.send(new Writer().byte(MSG.SERVICE_REQUEST).string(AUTHENTICATION_SERVICE).bytes());
    transport.send(new Writer(1024).raw(writeRequest({ username, algorithm, blob })).string(signature).bytes());
  }

  /** Takes every message until onSuccess or onFailure. */
  receive(payload: Buffer): void {
    const type = payload.readUInt8(0);
    if (this.#state === 'service' && type === MSG.SERVICE_ACCEPT) this.#receiveServiceAccept(payload);
    else if (this.#state === 'request' && type === MSG.USERAUTH_BANNER) this.#receiveBanner();
    else if (this.#state === 'request' && type === MSG.USERAUTH_SUCCESS) this.#receiveSuccess(payload);
    else if (this.#state === 'request' && type === MSG.USERAUTH_FAILURE) this.#receiveFailure(payload);
    else throw unexpectedMessage();
  }

  #receiveServiceAccept(payload: Buffer): void {
    const reader = new Reader(payload, 1);
    const isAsked = reader.name() === AUTHENTICATION_SERVICE;
    reader.end();
    if (!isAsked) throw unexpectedMessage();
    this.#state = 'request';
  }

  #receiveBanner(): void {
    if (++this.#banners > MAX_BANNERS) throw unexpectedMessage();
  }

  #receiveSuccess(payload: Buffer): void {
    new Reader(payload, 1).end();
    this.#state = 'done';
    this.#options.onSuccess();
  }

  #receiveFailure(payload: Buffer): void {
    const reader = new Reader(payload, 1);
    reader.nameList();
    const isPartial = reader.boolean();
    reader.end();
    this.#state = 'done';
    const sentence = isPartial ? 'the server wants more than our key' : 'the server refused our key';
    this.#options.onFailure(new SshError('authentication', sentence));
  }
}

/** RFC 8308 §3.1: the first that the server has named; without a list the first of all. */
function chooseAlgorithm(ours: readonly string[], theirs: readonly string[]): string {
  const chosen = ours.find((algorithm) => theirs.includes(algorithm)) ?? ours[0];
  if (chosen === undefined) throw new SshError('internal', 'the key has no signature algorithm');
  return chosen;
}
