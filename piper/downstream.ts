import type { Socket } from 'node:net';
import {
  UserAuthenticationServer,
  type Authorization,
  type RefusedAttempt,
  type VerifiedUser,
} from '../lib/ssh/authentication/server.ts';
import type { SshError } from '../lib/ssh/errors.ts';
import type { Certificate } from '../lib/ssh/keys/certificate.ts';
import type { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import type { PublicKey } from '../lib/ssh/keys/public-key.ts';
import { TransportSocket } from '../lib/ssh/transport/transport-socket.ts';
import type { Reader } from '../lib/ssh/wire.ts';
import { announcement, proof } from './host-keys/announcement.ts';
import { REFUSALS, type RefusalCode } from './refusals.ts';
import { IDENT } from './wire.ts';

export type DownstreamOptions = {
  socket: Socket;
  hostKeys: readonly PrivateKey[];
  authorize: (username: string, key: PublicKey, certificate?: Certificate) => Authorization;
  maxTries: number;
  rekeyAfterBytes: number;
  /** The client begins a key exchange for no reason that is seen. */
  admitRekey: () => boolean;
  /** For the first time. */
  onKeysExchanged?: (() => void) | undefined;
  onVerified: (user: VerifiedUser) => void;
  onRefused: (attempt: RefusedAttempt) => void;
  onClose: (error: SshError | undefined) => void;
  /** Drained, or a step of a key exchange. */
  onChange: () => void;
};

/** The user's side of a connection: we are the server, and let in whoever proves to hold a key of the route's. */
export class Downstream {
  readonly link: TransportSocket;
  readonly #authentication: UserAuthenticationServer;
  readonly #hostKeys: readonly PrivateKey[];
  #receive: (payload: Buffer) => void;
  #piped = false;

  constructor(options: DownstreamOptions) {
    const { socket, hostKeys, authorize, maxTries, onVerified, onRefused, onClose, onChange } = options;
    this.#hostKeys = hostKeys;
    this.link = new TransportSocket(socket, {
      role: 'server',
      rekeyAfterBytes: options.rekeyAfterBytes,
      admitRekey: options.admitRekey,
      software: IDENT,
      hostKeys,
      userCertificates: true,
      onReady: options.onKeysExchanged ?? (() => undefined),
      onMessage: (payload) => this.#receive(payload),
      onClose,
      onDrain: onChange,
      onExchangeStep: onChange,
      readsPooled: true,
    });
    const { transport } = this.link;
    this.#authentication = new UserAuthenticationServer({ transport, authorize, maxTries, onVerified, onRefused });
    // Until pipeTo, every message is authentication's: it ends the connection at the first that is not (CVE-2025-32433).
    this.#receive = (payload) => this.#authentication.receive(payload);
    transport.start();
  }

  /** Whether the peer has said anything that looks like SSH. */
  get spokeSsh(): boolean {
    return this.link.transport.remoteSoftware !== '';
  }

  /** A line for the person, before success. */
  banner(text: string): void {
    this.#authentication.banner(`${text}\r\n`);
  }

  /** Lets the user in, and says which host keys we have: from here on every message goes to `receive`. */
  pipeTo(receive: (payload: Buffer) => void): void {
    this.#receive = receive;
    this.#piped = true;
    this.#authentication.succeed();
    this.link.transport.send(announcement(this.#hostKeys));
  }

  /** The reply to a client that wants proof of keys that it has not known; undefined: they are none of ours. */
  proveHostKeys(asked: Reader): Buffer | undefined {
    const { sessionId, negotiated } = this.link.transport;
    return proof(asked, { keys: this.#hostKeys, sessionId, algorithm: negotiated.hostKey });
  }

  /** Ends the connection, and says why to a user who has proven who they are. */
  end(code: RefusalCode, text: string): void {
    if (this.link.transport.closed) return;
    // Clients show a banner even where they hide the text of a disconnect; but only before success (RFC 4252 §5.4).
    if (!this.#piped) this.banner(text);
    this.link.transport.disconnect(REFUSALS[code].reason, text);
  }
}
