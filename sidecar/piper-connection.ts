import type net from 'node:net';
import type { LeftoversOrder, Roster } from '../crds/end-leftovers.ts';
import { ACCESS_ENDINGS, SIDECAR_SOFTWARE, type IdentityAssertion } from '../crds/identity-assertion.ts';
import type { Logger } from '../lib/process/logger.ts';
import { UserAuthenticationServer } from '../lib/ssh/authentication/server.ts';
import type { Clock } from '../lib/ssh/clock.ts';
import { SshError } from '../lib/ssh/errors.ts';
import type { PublicKey } from '../lib/ssh/keys/public-key.ts';
import { DISCONNECT, MSG } from '../lib/ssh/numbers.ts';
import { TransportSocket } from '../lib/ssh/transport/transport-socket.ts';
import { ceilingProblem, readAssertion, readLeftoversOrder, readRoster } from './assertion.ts';
import type { Audit } from './audit.ts';
import { roleProblem } from './identity.ts';
import { LOGIN_GRACE_MS, MAX_AUTHENTICATION_TRIES } from './limits.ts';
import type { PodAccess } from './pod-secret.ts';
import type { Place } from './place.ts';
import { UserConnection } from './user-connection.ts';

export type PiperConnectionOptions = {
  socket: net.Socket;
  access: PodAccess;
  /** Whether this key is a piper's now. */
  trusts: (key: PublicKey) => boolean;
  place: Place;
  audit: Audit;
  log: Logger;
  clock: Clock;
  /** The identity has been asserted and accepted. */
  onServing: () => void;
  /** Once, when the connection has ended. */
  onEnd: () => void;
};

/**
 * One connection, by its stages: the mapping key proves that it is the piper; the very first message asserts for whom
 * it comes; from then on it is that user's.
 */
export class PiperConnection {
  readonly #options: PiperConnectionOptions;
  readonly #link: TransportSocket;
  readonly #authentication: UserAuthenticationServer;
  readonly #graceTimer: NodeJS.Timeout;
  #log: Logger;
  #verified = false;
  #assertion: IdentityAssertion | undefined;
  #connection: UserConnection | undefined;

  constructor(options: PiperConnectionOptions) {
    const { socket, access, log } = options;
    this.#options = options;
    this.#log = log;
    this.#link = new TransportSocket(socket, {
      role: 'server',
      software: SIDECAR_SOFTWARE,
      hostKeys: [access.hostKey],
      onReady: () => undefined,
      onMessage: (payload) => this.#receive(payload),
      onDrain: () => this.#connection?.drained(),
      onClose: (error) => this.#closed(error),
    });
    this.#authentication = new UserAuthenticationServer({
      transport: this.#link.transport,
      authorize: (_username, key) => options.trusts(key),
      maxTries: MAX_AUTHENTICATION_TRIES,
      onVerified: () => {
        this.#verified = true;
        this.#authentication.succeed();
      },
      onRefused: () => options.place.counts.refused('key'),
    });
    this.#graceTimer = setTimeout(() => this.#loginTookTooLong(), LOGIN_GRACE_MS);
    this.#link.transport.start();
  }

  /** Ends the connection, and with it all its programs. */
  end(reason: string): void {
    this.#link.transport.disconnect(DISCONNECT.BY_APPLICATION, reason);
  }

  /** Access to this pod has ended, for everybody: what was started here goes with the connection. */
  revoke(reason: string): void {
    this.#connection?.kill();
    this.end(reason);
  }

  /** True where the ceiling of `access` has room for what this connection was told. */
  isWithin(access: PodAccess): boolean {
    return this.#assertion === undefined || ceilingProblem(this.#assertion, access.ceiling) === undefined;
  }

  #loginTookTooLong(): void {
    this.#options.place.counts.refused('grace');
    this.end('login took too long');
  }

  #receive(payload: Buffer): void {
    if (this.#connection !== undefined) this.#connection.receive(payload);
    else if (this.#verified) this.#receiveIntroduction(payload);
    else this.#authentication.receive(payload);
  }

  #receiveIntroduction(payload: Buffer): void {
    const order = readLeftoversOrder(payload);
    if (order !== undefined) return this.#endLeftovers(order);
    const roster = readRoster(payload);
    if (roster !== undefined) return this.#keepLeftovers(roster);
    this.#receiveAssertion(readAssertion(payload));
  }

  /** The piper comes for nobody, and goes again. */
  #endLeftovers({ endings, agoMs }: LeftoversOrder): void {
    const count = this.#options.place.leftovers.end(endings, performance.now() - agoMs);
    const users = endings.map(({ username }) => username);
    this.#log.info({ users, count }, 'what ended sessions had left behind is ended: access was lost');
    this.#done();
  }

  #keepLeftovers({ residents, agoMs }: Roster): void {
    const count = this.#options.place.leftovers.keep(residents, performance.now() - agoMs);
    if (count > 0)
      this.#log.info(
        { count },
        'what ended sessions had left behind is ended: access was lost, and nobody was there to say so',
      );
    this.#done();
  }

  #done(): void {
    this.#link.transport.send(Buffer.of(MSG.REQUEST_SUCCESS));
    this.end('done');
  }

  #receiveAssertion(assertion: IdentityAssertion | undefined): void {
    const { access, place } = this.#options;
    if (assertion === undefined) {
      place.counts.refused('assertion');
      throw new SshError('protocol', 'the first request must assert a valid identity');
    }
    const { role, username, connectionId } = assertion;
    const problem =
      ceilingProblem(assertion, access.ceiling) ??
      roleProblem(role, { limitedUid: place.config.limitedUid, sidecar: place.sidecar });
    if (problem !== undefined) {
      place.counts.refused('assertion');
      this.#log.warn({ username, connection: connectionId, problem }, 'assertion refused');
      this.#link.transport.send(Buffer.of(MSG.REQUEST_FAILURE));
      this.#link.transport.disconnect(DISCONNECT.BY_APPLICATION, problem);
      return;
    }
    this.#serve(assertion);
    this.#link.transport.send(Buffer.of(MSG.REQUEST_SUCCESS));
  }

  #serve(assertion: IdentityAssertion): void {
    const { socket, place, audit, access, log } = this.#options;
    clearTimeout(this.#graceTimer);
    place.counts.logins++;
    const { username, role, connectionId, fingerprint, clientAddress } = assertion;
    this.#assertion = assertion;
    this.#log = log.child({ connection: connectionId });
    this.#log.info({ username, role, fingerprint, clientAddress }, 'connection opened');
    this.#connection = new UserConnection({
      link: this.#link,
      assertion,
      server: { address: socket.localAddress ?? '', port: socket.localPort ?? 0 },
      place,
      audit: access.ceiling.auditLogging ? audit : undefined,
      log: this.#log,
      clock: this.#options.clock,
      end: (reason) => this.end(reason),
    });
    this.#options.onServing();
  }

  #closed(error: SshError | undefined): void {
    clearTimeout(this.#graceTimer);
    if (isEndOfAccess(error)) this.#connection?.kill();
    this.#connection?.close();
    const fields = error === undefined ? {} : { reason: error.code, detail: error.message };
    // Probes of the kubelet and of port scanners come and go without a word.
    if (this.#connection === undefined) this.#log.debug(fields, 'connection ended before an identity was asserted');
    else this.#log.info(fields, 'connection ended');
    this.#options.onEnd();
  }
}

/** The piper's last word says so, where no request could pass any more: see END_ACCESS. */
const isEndOfAccess = (error: SshError | undefined): boolean =>
  error?.code === 'disconnected' && ACCESS_ENDINGS.some((word) => error.message.endsWith(`: ${word}`));
