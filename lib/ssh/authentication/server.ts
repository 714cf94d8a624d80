import { SshError } from '../errors.ts';
import { PublicKey } from '../keys/public-key.ts';
import { DISCONNECT, MSG } from '../numbers.ts';
import { MAX_PACKET_LENGTH, SMALL_PACKET_LENGTH } from '../transport/packets.ts';
import type { Transport } from '../transport/transport.ts';
import { Reader, Writer } from '../wire.ts';
import type { UserAuthenticationRequest } from './request.ts';
import {
  AUTHENTICATION_SERVICE,
  CONNECTION_SERVICE,
  readRequest,
  readUsername,
  signedData,
  unexpectedMessage,
} from './request.ts';

export type VerifiedUser = { username: string; key: PublicKey };

export type RefusedAttempt = {
  /** Empty when it is not fit to be shown. */
  username: string;
  fingerprint?: string;
  method: string;
  /** A stable word. */
  reason: 'method' | 'username' | 'key-unreadable' | 'algorithm' | 'key-not-authorized' | 'signature';
  /** Whether it counts against maxTries: key queries do not. */
  counted: boolean;
};

export type UserAuthenticationServerOptions = {
  transport: Transport;
  /** Called for every readable key, whether it is queried or signs; decides nothing before a signature is verified. */
  authorize: (username: string, key: PublicKey) => boolean;
  /** How many counted refusals end the connection. */
  maxTries: number;
  /** Shown by the client before it is authenticated. */
  banner?: string;
  /** A signature of an authorized key has been verified. The client waits until succeed(). */
  onVerified: (user: VerifiedUser) => void;
  onRefused?: (attempt: RefusedAttempt) => void;
};

// RFC 4252 §7 lets clients ask whether a key would do, and agents hold many. Bounded, but apart from maxTries.
const MAX_QUERIES = 64;

type PublicKeyOffer = NonNullable<UserAuthenticationRequest['publicKey']>;

/**
 * The server's side of RFC 4252, with `publickey` as the only method. Feed it every message until onVerified. What
 * receive() throws is for Transport's onMessage to end the connection with.
 */
export class UserAuthenticationServer {
  readonly #options: UserAuthenticationServerOptions;
  #state: 'service' | 'requests' | 'verified' | 'succeeded' = 'service';
  #username: Buffer | undefined;
  #tries = 0;
  #queries = 0;
  #isFirstRequest = true;

  constructor(options: UserAuthenticationServerOptions) {
    this.#options = options;
    // Nobody needs large packets to log in: a stranger must not make us hold 256 KiB.
    options.transport.limitPacketLength(SMALL_PACKET_LENGTH);
  }

  receive(payload: Buffer): void {
    const type = payload.readUInt8(0);
    if (this.#state === 'service' && type === MSG.SERVICE_REQUEST) this.#receiveServiceRequest(payload);
    else if (this.#state === 'requests' && type === MSG.USERAUTH_REQUEST) this.#receiveRequest(readRequest(payload));
    // Above all the messages ≥ 80 of CVE-2025-32433, and USERAUTH_SUCCESS from a client (CVE-2018-10933).
    else throw unexpectedMessage();
  }

  /** Sends USERAUTH_SUCCESS: the owner is ready for the connection protocol. */
  succeed(): void {
    if (this.#state !== 'verified') throw new SshError('internal', 'there is no verified user to let in');
    this.#state = 'succeeded';
    this.#options.transport.limitPacketLength(MAX_PACKET_LENGTH);
    this.#options.transport.send(Buffer.of(MSG.USERAUTH_SUCCESS));
  }

  /** RFC 4252 §5.4; only before succeed(). */
  banner(text: string): void {
    if (this.#state === 'succeeded') throw new SshError('internal', 'a banner must come before success');
    this.#options.transport.send(new Writer().byte(MSG.USERAUTH_BANNER).string(text).string('').bytes());
  }

  #receiveServiceRequest(payload: Buffer): void {
    const reader = new Reader(payload, 1);
    const service = reader.name();
    reader.end();
    if (service !== AUTHENTICATION_SERVICE) throw serviceNotAvailable();
    this.#state = 'requests';
    this.#options.transport.send(new Writer().byte(MSG.SERVICE_ACCEPT).string(service).bytes());
    if (this.#options.banner !== undefined) this.banner(this.#options.banner);
  }

  #receiveRequest(request: UserAuthenticationRequest): void {
    if (request.service !== CONNECTION_SERVICE) throw serviceNotAvailable();
    // RFC 4252 §5 lets a user name change and state be flushed. Nobody honest does; we end it.
    if (this.#username !== undefined && !this.#username.equals(request.username)) {
      throw new SshError('authentication', 'the username changed between requests');
    }
    this.#username ??= Buffer.from(request.username);
    const isFirst = this.#isFirstRequest;
    this.#isFirstRequest = false;
    if (request.publicKey === undefined) {
      // As in OpenSSH, the first `none` is only a question which methods there are (RFC 4252 §5.2).
      this.#refuse(request, 'method', !(isFirst && request.method === 'none'));
      return;
    }
    this.#receivePublicKey(request, request.publicKey);
  }

  /**
   * Unknown user, unknown key and wrong signature: the same work and the same bytes. So nothing returns early:
   * `authorize` is called, and a signature is verified, whenever there is something to call it with.
   */
  #receivePublicKey(request: UserAuthenticationRequest, offer: PublicKeyOffer): void {
    const isQuery = offer.signature === undefined;
    if (isQuery && ++this.#queries > MAX_QUERIES) throw tooMany();
    const key = readKey(offer.blob);
    if (key === undefined) {
      this.#refuse(request, 'key-unreadable', !isQuery);
      return;
    }
    const username = readUsername(request.username);
    const isAuthorized = this.#options.authorize(username ?? '', key);
    const isSigned = this.#isSigned(request, offer, key);
    if (username === undefined) this.#refuse(request, 'username', !isQuery, key);
    // RFC 8332 §3, CVE-2024-45337's kind: the algorithm belongs to the key's type, and is never SHA-1.
    else if (!key.signatureAlgorithms.includes(offer.algorithm)) this.#refuse(request, 'algorithm', !isQuery, key);
    else if (!isAuthorized) this.#refuse(request, 'key-not-authorized', !isQuery, key);
    else if (isQuery) this.#acceptQuery(offer);
    else if (!isSigned) this.#refuse(request, 'signature', true, key);
    else this.#verified({ username, key });
  }

  #isSigned(
    request: UserAuthenticationRequest,
    { algorithm, blob, signature }: PublicKeyOffer,
    key: PublicKey,
  ): boolean {
    if (signature === undefined) return false;
    const { sessionId } = this.#options.transport;
    return key.verify(algorithm, signedData({ sessionId, username: request.username, algorithm, blob }), signature);
  }

  /** RFC 4252 §7: the algorithm and the blob as they were asked for. */
  #acceptQuery({ algorithm, blob }: PublicKeyOffer): void {
    const accepted = new Writer(1024).byte(MSG.USERAUTH_PK_OK).string(algorithm).string(blob);
    this.#options.transport.send(accepted.bytes());
  }

  // The key whose signature has been verified now, not one that was queried before (GHSA-pchf-49fh-w34r).
  #verified(user: VerifiedUser): void {
    this.#state = 'verified';
    this.#options.onVerified(user);
  }

  #refuse(
    request: UserAuthenticationRequest,
    reason: RefusedAttempt['reason'],
    counted: boolean,
    key?: PublicKey,
  ): void {
    this.#options.onRefused?.({
      username: readUsername(request.username) ?? '',
      ...(key === undefined ? {} : { fingerprint: key.fingerprint }),
      method: request.method,
      reason,
      counted,
    });
    if (counted && ++this.#tries >= this.#options.maxTries) throw tooMany();
    this.#options.transport.send(FAILURE);
  }
}

// RFC 4252 §5.1: which methods can continue, and no partial success.
const FAILURE = new Writer().byte(MSG.USERAUTH_FAILURE).nameList(['publickey']).boolean(false).bytes();

function readKey(blob: Buffer): PublicKey | undefined {
  try {
    return PublicKey.fromBlob(blob);
  } catch {
    // Damaged, weak, a certificate, or of a kind we do not know: refused like any other wrong key.
    return undefined;
  }
}

function serviceNotAvailable(): SshError {
  return new SshError('protocol', 'only user authentication for the connection protocol is served', {
    disconnectReason: DISCONNECT.SERVICE_NOT_AVAILABLE,
  });
}

function tooMany(): SshError {
  return new SshError('authentication', 'too many authentication failures');
}
