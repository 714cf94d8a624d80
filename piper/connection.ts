import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { ASSERT_IDENTITY, ENDING_SOON, IdentityAssertion } from '../crds/index.ts';
import type { VerifiedUser } from '../lib/ssh/authentication/server.ts';
import type { Clock } from '../lib/ssh/clock.ts';
import type { SshError } from '../lib/ssh/errors.ts';
import type { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { DISCONNECT, MSG } from '../lib/ssh/numbers.ts';
import { Writer } from '../lib/ssh/wire.ts';
import type { Logger } from '../lib/process/logger.ts';
import type { Failures } from './abuse/failures.ts';
import { canForce, type Admission, type Grant } from './admission.ts';
import type { Arrival, ArrivalRate } from './arrival/arrival-rate.ts';
import type { Client } from './arrival/proxy-protocol.ts';
import { Attempts } from './attempts.ts';
import type { Limits } from './config.ts';
import type { Connections, LiveConnection } from './connections.ts';
import type { Directory } from './directory/directory.ts';
import { inOrder, podsFor } from './directory/destination.ts';
import { Downstream } from './downstream.ts';
import type { EndReason } from './end-reasons.ts';
import { nextEnding } from './lifetime.ts';
import type { BeginTrace, LoginTrace } from './login-trace.ts';
import type { PiperMetrics } from './metrics.ts';
import { Pipe } from './pipe.ts';
import { PODS_END, sayEnd } from './pod-end.ts';
import type { Objection } from './policy/rules.ts';
import { describeSshd } from './policy/sshd.ts';
import type { Logins } from './presence/logins.ts';
import type { Presence } from './presence/presence.ts';
import { printable } from './printable.ts';
import { ConnectionRecord, type Traffic } from './record.ts';
import { RefusalError, refusalText, TURNED_AWAY, type RefusalCode } from './refusals.ts';
import type { RekeyRate } from './rekey-rate.ts';
import type { Witness } from './witness.ts';
import { connectUpstream, type Upstream } from './upstream.ts';

/** What all connections share. */
export type ConnectionContext = {
  directory: Directory;
  connections: Connections;
  logins: Logins;
  hostKeys: () => readonly PrivateKey[];
  admission: Admission;
  failures: Failures;
  arrivals: ArrivalRate;
  rekeys: RekeyRate;
  metrics: PiperMetrics;
  witness: Witness;
  limits: Limits;
  log: Logger;
  /** Undefined: no traces. */
  beginTrace?: BeginTrace | undefined;
  /** The time of day, in milliseconds. */
  now: () => number;
  clock: Clock;
};

/** A connection that has been accepted. */
type NewConnection = {
  socket: Socket;
  /** By the clock of `performance`. */
  acceptedAt: number;
  client: Client;
  arrival: Arrival;
  /** Somebody has logged in, or it is over: it is no start-up any more. */
  onSettled: () => void;
};

/** The time of day may be set anew, so an expiry that is far off is looked at again. */
const LONGEST_WAIT_MS = 86_400_000;

/**
 * One client's connection, from its first byte to its record: authenticated, admitted, connected to a pod, piped, ended.
 * Whatever happens, it ends exactly once.
 */
export class Connection implements LiveConnection {
  readonly id = randomBytes(8).toString('hex');
  readonly #context: ConnectionContext;
  readonly #client: { clientAddress: string; clientPort: number };
  readonly #record: ConnectionRecord;
  readonly #trace: LoginTrace | undefined;
  readonly #attempts: Attempts;
  readonly #downstream: Downstream;
  readonly #arrival: Arrival;
  readonly #onSettled: () => void;
  /** Aborts when the client is gone: nothing goes on for it. */
  readonly #gone = new AbortController();
  readonly #grace: NodeJS.Timeout;
  #stopWatching: () => void = () => undefined;
  #loggedInAt = 0;
  /** When it reached the pod. */
  #since: number | undefined;
  #expiresAt = Infinity;
  #grant: Grant | undefined;
  #upstream: Upstream | undefined;
  #pipe: Pipe | undefined;
  #ended = false;

  constructor({ socket, acceptedAt, client, arrival, onSettled }: NewConnection, context: ConnectionContext) {
    this.#context = context;
    this.#arrival = arrival;
    this.#client = { clientAddress: client.address, clientPort: client.port };
    this.#trace = context.beginTrace?.({ connectionId: this.id, acceptedAt, clock: context.clock });
    const log = context.log.child({ connection: this.id, ...this.#client });
    this.#record = new ConnectionRecord(log, this.#trace);
    this.#onSettled = onSettled;
    this.#grace = setTimeout(() => this.#loginTookTooLong(), context.limits.loginGraceMs);
    this.#attempts = new Attempts(context, client.address);
    this.#downstream = new Downstream({
      socket,
      hostKeys: context.hostKeys(),
      authorize: (username, key, certificate) => this.#attempts.authorize({ username, key, certificate }),
      maxTries: context.limits.maxTries,
      rekeyAfterBytes: context.limits.rekeyAfterBytes,
      admitRekey: this.#admitRekey,
      onKeysExchanged: this.#trace?.keysExchanged,
      onVerified: (user) => this.#verified(user),
      onRefused: (attempt) => this.#attempts.refused(attempt),
      onClose: (error) => this.#clientClosed(error),
      onChange: () => this.#pipe?.regulate(),
    });
  }

  /** On either side: who reaches a pod chooses what is in it. */
  readonly #admitRekey = (): boolean => this.#context.rekeys.admit(this.username);

  get username(): string {
    return this.#grant?.username ?? '';
  }

  get clientAddress(): string {
    return this.#client.clientAddress;
  }

  get pod(): string {
    return this.#upstream?.pod.name ?? '';
  }

  get sessions(): number {
    return this.#pipe?.sessions ?? 0;
  }

  get traffic(): Traffic {
    const { bytesRead: bytesIn, bytesWritten: bytesOut } = this.#downstream.link.socket;
    return { bytesIn, bytesOut };
  }

  get presence(): Presence | undefined {
    if (this.#grant === undefined || this.#since === undefined) return undefined;
    const { username, login } = this.#grant;
    const { namespace, name, uid } = login.route;
    return {
      id: this.id,
      username,
      role: login.user.role,
      sshAccess: `${namespace}/${name}`,
      uid,
      pod: this.pod,
      source: this.clientAddress,
      since: this.#since,
      sessions: this.sessions,
    };
  }

  /** Ends it with a sentence for the user. */
  end(code: RefusalCode, detail?: string): void {
    const text = refusalText(code, this.id, this.#grant?.login.route.runtime);
    if (this.#grant !== undefined && !this.#ended) this.#tellOfEnd(this.#grant, code);
    this.#finish(code, detail, () => this.#downstream.end(code, text));
  }

  #tellOfEnd(grant: Grant, code: RefusalCode): void {
    const { witness } = this.#context;
    if (this.#since === undefined) witness.refused(grant, code, this.id);
    else witness.ended(grant, code, this.id);
  }

  /** It will end in so long, whoever is on it; said where there is a sidecar to say it. */
  warnOfEnd(leftMs: number): void {
    if (this.#upstream?.server.runtime !== 'sidecar') return;
    const seconds = Math.round(leftMs / 1000);
    const warning = new Writer().byte(MSG.GLOBAL_REQUEST).string(ENDING_SOON).boolean(false).uint32(seconds);
    this.#upstream.link.transport.send(warning.bytes());
  }

  /** Ends it before anybody has logged in on it; every client hears why. */
  turnAway(why: keyof typeof TURNED_AWAY): void {
    const [reason, sentence] = TURNED_AWAY[why];
    this.#finish(why, undefined, () => this.#downstream.link.transport.disconnect(reason, sentence));
  }

  /** Ends it if its user may no longer be here; the directory has changed, or time has passed. */
  recheck(): void {
    if (this.#grant === undefined || this.#ended) return;
    if (this.#mayBeHere(this.#grant)) this.#watchEnding(this.#grant);
  }

  /** Ends it where the user may not. */
  #mayBeHere(grant: Grant): boolean {
    const standing = this.#context.admission.review(grant, this.#context.now());
    if (typeof standing === 'object') this.#expiresAt = standing.expiresAt;
    else this.end(standing);
    return typeof standing === 'object';
  }

  #verified(user: VerifiedUser): void {
    this.#trace?.verified();
    const grant = this.#attempts.grant(user);
    if (grant === undefined) return this.end('revoked');
    this.#grant = grant;
    if (!this.#mayBeHere(grant)) return;
    if (this.#context.connections.countOf(grant.username) >= this.#context.limits.connectionsPerUser)
      return this.end('too-many-connections');
    // Who may not be here, though a key of theirs is known, is held like a stranger.
    this.#arrival.loggedIn();
    // From here on it counts and is rechecked, although it is not piped yet.
    this.#context.connections.add(this);
    if (this.#ended) return;
    this.#onSettled();
    this.#loggedInAt = this.#context.clock.now();
    this.#watchEnding(grant);
    this.#connect(grant).catch((error: unknown) => this.#connectFailed(error));
  }

  async #connect(grant: Grant): Promise<void> {
    const { login } = grant;
    const { directory, connections } = this.#context;
    this.#trace?.choosing();
    const pods = podsFor(directory.pods(login.route), grant.destination);
    if (pods.length === 0 && grant.destination.pod !== undefined)
      throw new RefusalError('no-such-pod', JSON.stringify(grant.destination.pod));
    const assertion = JSON.stringify(IdentityAssertion.parse(this.#assertion(grant)));
    const upstream = await connectUpstream({
      login,
      pods: inOrder(pods, (pod) => connections.isThere(grant.username, this.clientAddress, pod)),
      introduction: { request: ASSERT_IDENTITY, text: () => assertion },
      rekeyAfterBytes: this.#context.limits.rekeyAfterBytes,
      admitRekey: this.#admitRekey,
      signal: this.#gone.signal,
      onAttempt: (pod) => this.#trace?.attempt(pod, login.route.port),
    });
    if (this.#ended) return upstream.link.close();
    this.#upstream = upstream;
    this.#splice(grant, upstream);
  }

  #assertion({ username, key, policy, login: { user } }: Grant): IdentityAssertion {
    return {
      version: 1,
      username,
      role: user.role,
      policy,
      uidOffset: user.uidOffset,
      ...(this.#expiresAt === Infinity ? {} : { expiresAt: new Date(this.#expiresAt).toISOString() }),
      fingerprint: key.fingerprint,
      ...this.#client,
      connectionId: this.id,
    };
  }

  #splice(grant: Grant, upstream: Upstream): void {
    clearTimeout(this.#grace);
    const { policy, login } = grant;
    const { runtime, software } = upstream.server;
    // The route may have changed its runtime already, and this pod not yet.
    if (!canForce(runtime, grant.options.command)) return this.end('outdated-pod');
    const downstream = this.#downstream;
    const pipe = new Pipe({
      downstream: downstream.link,
      upstream: upstream.link,
      policy,
      sshd: runtime === 'sidecar' ? undefined : describeSshd(login.route.port, software, this.#assertion(grant)),
      proveHostKeys: (asked) => downstream.proveHostKeys(asked),
      sessionsElsewhere: () => this.#context.connections.sessionsBeside(this),
      onBegin: this.#record.began,
      onRefuse: (what, objection) => this.#requestRefused(grant, what, objection),
      connectionId: this.id,
      clock: this.#context.clock,
    });
    this.#pipe = pipe;
    this.#watchEnding(grant);
    const { banner } = grant.login.route;
    if (banner !== undefined) downstream.banner(printable(banner));
    this.#record.started(grant, upstream);
    this.#arrived(grant);
    if (upstream.pod.state !== 'ready')
      downstream.banner(`note: the pod ${upstream.pod.name} is ${upstream.pod.state.replace('-', ' ')}`);
    upstream.take({
      onMessage: pipe.fromPod,
      onClose: (error) => this.end(PODS_END[error?.code ?? ''] ?? 'pod-gone', error?.message),
      onChange: pipe.regulate,
    });
    // `take` may have found the pod gone.
    if (this.#ended) return;
    downstream.pipeTo(pipe.fromClient);
  }

  /** From here on somebody is there. */
  #arrived(grant: Grant): void {
    const { logins, witness, metrics, now, clock } = this.#context;
    const { username, login } = grant;
    this.#since = now();
    metrics.loggedIn(this.#record.ageMs, clock.now() - this.#loggedInAt);
    logins.record({ uid: login.route.uid, username, at: this.#since });
    witness.loggedIn(grant, this.id);
  }

  #requestRefused(grant: Grant, what: string, objection: Objection): void {
    const { metrics, witness } = this.#context;
    this.#record.refused(what);
    metrics.refused(objection);
    if (objection === 'maxSessions') witness.refused(grant, 'too-many-sessions', this.id);
  }

  #connectFailed(error: unknown): void {
    if (error instanceof RefusalError) return this.end(error.code, error.message);
    this.#context.log.error({ err: error, connection: this.id }, 'connecting failed unexpectedly');
    this.end('upstream-failed');
  }

  #loginTookTooLong(): void {
    if (this.#grant !== undefined) return this.end('unreachable', 'login grace');
    const { transport } = this.#downstream.link;
    this.#finish('login-grace', undefined, () =>
      transport.disconnect(DISCONNECT.BY_APPLICATION, 'login took too long'),
    );
  }

  #clientClosed(error: SshError | undefined): void {
    const isGoodbye = error === undefined || error.code === 'disconnected' || error.code === 'closed';
    if (this.#grant !== undefined) return this.#finish(isGoodbye ? 'client-closed' : 'protocol', error?.message);
    if (!this.#downstream.spokeSsh) return this.#finish('not-ssh', error?.message);
    const { failure } = this.#attempts;
    if (failure === undefined) this.#finish('not-authenticated', error?.message);
    else this.#finish('authentication-failed', failure);
  }

  /** The one end. `sayGoodbye` is for a client that is still there. */
  #finish(reason: EndReason, detail?: string, sayGoodbye?: () => void): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#grace);
    this.#stopWatching();
    // With a reason of ours none is made, and a DOMException with its stack trace is dear.
    this.#gone.abort(reason);
    if (this.#upstream !== undefined) sayEnd(this.#upstream, reason);
    sayGoodbye?.();
    this.#context.connections.remove(this);
    const { traffic } = this;
    const { username } = this.#attempts;
    this.#context.metrics.ended(reason, this.#grant !== undefined && this.#since === undefined, traffic);
    this.#record.ended({ grant: this.#grant, username, reason, detail, ...traffic });
    this.#onSettled();
  }

  /** One timer, for whatever comes first; data only moves its idle time, which is looked at when it fires. */
  #watchEnding(grant: Grant): void {
    this.#stopWatching();
    const { now, clock } = this.#context;
    const ending = nextEnding(grant.policy, {
      connectedMs: clock.now() - this.#loggedInAt,
      // While the pod is being reached, the login grace counts.
      idleMs: this.#pipe === undefined ? 0 : clock.now() - this.#pipe.lastDataAt,
      untilExpiryMs: this.#expiresAt - now(),
    });
    if (ending === undefined) return;
    if (ending.inMs <= 0) return this.end(ending.code);
    this.#stopWatching = clock.after(Math.min(ending.inMs, LONGEST_WAIT_MS), () => this.recheck());
  }
}
