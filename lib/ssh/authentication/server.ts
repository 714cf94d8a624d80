import { SshError } from '../errors.ts';
import { Certificate } from '../keys/certificate.ts';
import { PublicKey } from '../keys/public-key.ts';
import { type SignatureRules, TOUCHED } from '../keys/signature.ts';
import { DISCONNECT, MSG } from '../numbers.ts';
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

/** `certificate`: the key came in one, and it, not the key alone, was let in. */
export type VerifiedUser = { username: string; key: PublicKey; certificate?: Certificate };

/** Whether an offer may log in, and what its signature must show; or in a word why not, for the record only. */
export type Authorization = { granted: true; signature: SignatureRules } | { granted: false; why: string };

export type RefusedAttempt = {
  /** Empty when it is not fit to be shown. */
  username: string;
  fingerprint?: string;
  method: string;
  /** A stable word. */
  reason: 'method' | 'username' | 'key-unreadable' | 'algorithm' | 'key-not-authorized' | 'signature';
  /** Of a key that is not authorized, where the owner knows more. */
  why?: string;
  /** Whether it counts against maxTries: key queries do not. */
  counted: boolean;
};

export type UserAuthenticationServerOptions = {
  transport: Transport;
  /**
   * Called for every readable key, whether it is queried or signs; decides nothing before a signature is verified. A
   * certificate comes only where the transport takes them; then it is that which is to be judged, and not its key.
   */
  authorize: (username: string, key: PublicKey, certificate?: Certificate) => boolean | Authorization;
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
// To look at a certificate is to verify its authority's signature, which for RSA takes twenty times as long as a key.
const QUERIES_OF_A_CERTIFICATE = 8;

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
    options.transport.peerIsStranger = true;
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
    this.#options.transport.peerIsStranger = false;
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
    const { userCertificates } = this.#options.transport;
    if (isQuery) this.#countQuery(userCertificates && Certificate.isCertificate(offer.blob));
    const offered = readKey(offer.blob, userCertificates);
    if (offered === undefined) {
      this.#refuse(request, 'key-unreadable', !isQuery);
      return;
    }
    const { key, certificate } = offered;
    const username = readUsername(request.username);
    const authorization = this.#authorize(username ?? '', offered);
    const rules = authorization.granted ? authorization.signature : TOUCHED;
    const isSigned = this.#isSigned(request, offer, offered, rules);
    const { signatureAlgorithms } = certificate ?? key;
    if (username === undefined) this.#refuse(request, 'username', !isQuery, { key });
    // RFC 8332 §3, CVE-2024-45337's kind: the algorithm belongs to the key's type, and is never SHA-1.
    else if (!signatureAlgorithms.includes(offer.algorithm)) this.#refuse(request, 'algorithm', !isQuery, { key });
    else if (!authorization.granted)
      this.#refuse(request, 'key-not-authorized', !isQuery, { key, why: authorization.why });
    else if (isQuery) this.#acceptQuery(offer);
    else if (!isSigned) this.#refuse(request, 'signature', true, { key });
    else this.#verified({ username, ...offered });
  }

  #countQuery(isCertificate: boolean): void {
    this.#queries += isCertificate ? QUERIES_OF_A_CERTIFICATE : 1;
    if (this.#queries > MAX_QUERIES) throw tooMany();
  }

  #authorize(username: string, { key, certificate }: Offered): Authorization {
    const answer = this.#options.authorize(username, key, certificate);
    if (typeof answer === 'object') return answer;
    return answer ? { granted: true, signature: TOUCHED } : { granted: false, why: '' };
  }

  #isSigned(
    request: UserAuthenticationRequest,
    { algorithm, blob, signature }: PublicKeyOffer,
    { key, certificate }: Offered,
    rules: SignatureRules,
  ): boolean {
    if (signature === undefined) return false;
    const { sessionId } = this.#options.transport;
    const data = signedData({ sessionId, username: request.username, algorithm, blob });
    return (certificate ?? key).verify(algorithm, data, signature, rules);
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
    { key, why = '' }: { key?: PublicKey; why?: string } = {},
  ): void {
    this.#options.onRefused?.({
      username: readUsername(request.username) ?? '',
      ...(key === undefined ? {} : { fingerprint: key.fingerprint }),
      method: request.method,
      reason,
      ...(why === '' ? {} : { why }),
      counted,
    });
    if (counted && ++this.#tries >= this.#options.maxTries) throw tooMany();
    this.#options.transport.send(FAILURE);
  }
}

// RFC 4252 §5.1: which methods can continue, and no partial success.
const FAILURE = new Writer().byte(MSG.USERAUTH_FAILURE).nameList(['publickey']).boolean(false).bytes();

/** A key, perhaps in a certificate. */
type Offered = { key: PublicKey; certificate?: Certificate };

function readKey(blob: Buffer, takesCertificates: boolean): Offered | undefined {
  try {
    if (!takesCertificates || !Certificate.isCertificate(blob)) return { key: PublicKey.fromBlob(blob) };
    const certificate = Certificate.fromBlob(blob);
    return { key: certificate.key, certificate };
  } catch {
    // Damaged, weak, a certificate that its authority has not signed, or of a kind we do not know: a wrong key.
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
