import { OpenSpan, type Span } from '../lib/process/tracing/span.ts';
import type { Clock } from '../lib/ssh/clock.ts';
import type { Grant } from './admission.ts';
import type { Pod } from './directory/endpoints.ts';

/** So long the first program or forward is waited for; there may never be one (`ssh -N`, a master connection). */
const FIRST_SESSION_MS = 10_000;

const SSH = { 'network.transport': 'tcp', 'network.protocol.name': 'ssh', 'network.protocol.version': '2.0' } as const;

export type LoginTraceOptions = {
  connectionId: string;
  /** By the clock of `performance`. */
  acceptedAt: number;
  clock: Clock;
  /** Takes the trace when it is over. */
  record: (root: Span) => void;
};

/** Begins the trace of a connection. */
export type BeginTrace = (options: Omit<LoginTraceOptions, 'record'>) => LoginTrace;

/**
 * The trace of a login whose key was verified, from the client's connection to its first program. It leaves the cluster: of
 * the user it has no more than the id of the connection, by which the log says who and from where; of what the client sends,
 * nothing.
 */
export class LoginTrace {
  readonly #options: LoginTraceOptions;
  /** Undefined when it is over. */
  #root: OpenSpan | undefined;
  #isLogin = false;
  /** Who has reached their pod. */
  #arrived: Grant | undefined;
  #stopWaiting: () => void = () => undefined;

  constructor(options: LoginTraceOptions) {
    const { connectionId, acceptedAt } = options;
    this.#options = options;
    this.#root = new OpenSpan('ssh login', () => performance.now(), { kind: 'server', from: acceptedAt });
    this.#root.set({ ...SSH, 'sshaccess.connection.id': connectionId });
    this.#root.step('accept', { from: acceptedAt });
    this.#root.step('key exchange');
  }

  readonly keysExchanged = (): void => void this.#root?.step('authentication');

  /** Before that it is a stranger's, and nobody hears of it. */
  verified(): void {
    this.#isLogin = true;
  }

  choosing(): void {
    this.#root?.step('choose pod');
  }

  attempt({ name }: Pod, port: number): OpenSpan | undefined {
    const span = this.#root?.step('upstream connect', { kind: 'client' });
    span?.set({ ...SSH, 'server.port': port, 'sshaccess.pod.name': name });
    return span;
  }

  arrived(grant: Grant): void {
    this.#arrived = grant;
    this.#root?.step('first session');
    this.#stopWaiting = this.#options.clock.after(FIRST_SESSION_MS, () => this.#finishWithoutSession(grant));
  }

  /** @param what as the policy filter names it; a session is but the way to a program */
  began(what: string): void {
    if (what === 'session' || this.#root === undefined) return;
    const [kind = ''] = what.split(':', 1);
    this.#root.set({ 'sshaccess.session.kind': kind });
    this.#finish(this.#arrived);
  }

  ended(grant: Grant | undefined, reason: string): void {
    if (!this.#isLogin) this.#root = undefined;
    else if (this.#arrived !== undefined && reason === 'client-closed') this.#finishWithoutSession(this.#arrived);
    else this.#finish(grant, reason);
  }

  #finishWithoutSession(grant: Grant): void {
    this.#root?.endWithoutLastStep();
    this.#finish(grant);
  }

  #finish(grant: Grant | undefined, error?: string): void {
    this.#stopWaiting();
    const root = this.#root;
    if (root === undefined) return;
    this.#root = undefined;
    root.end(error);
    if (grant !== undefined) root.set(whereTo(grant));
    this.#options.record(root.close());
  }
}

function whereTo({ login }: Grant): Record<string, string> {
  const { namespace, name, runtime } = login.route;
  return {
    'sshaccess.access.namespace': namespace,
    'sshaccess.access.name': name,
    'sshaccess.role': login.user.role,
    'sshaccess.runtime': runtime,
  };
}
