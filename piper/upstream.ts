import { connect, type Socket } from 'node:net';
import { ASSERT_IDENTITY, IdentityAssertion } from '../crds/index.ts';
import { UserAuthenticationClient } from '../lib/ssh/authentication/client.ts';
import { SshError } from '../lib/ssh/errors.ts';
import { DISCONNECT, MSG } from '../lib/ssh/numbers.ts';
import { TransportSocket } from '../lib/ssh/transport/transport-socket.ts';
import { Reader, Writer } from '../lib/ssh/wire.ts';
import type { Pod } from './directory/endpoints.ts';
import type { Login } from './directory/route-table.ts';
import { IDENT, SOCKET } from './wire.ts';
import { REQUEST_FAILURE, typeOf } from './policy/messages.ts';
import { RefusalError, type RefusalCode } from './refusals.ts';

const CONNECT_TIMEOUT_MS = 5_000;
/** From the TCP connection until the pod has accepted the assertion. */
const LOGIN_TIMEOUT_MS = 10_000;
const MOST_PODS_TRIED = 3;
/** Each is answered, and nothing holds a pod back that does not read the answers. sshd sends one. */
const MOST_EARLY_REQUESTS = 16;

export type UpstreamOptions = {
  login: Login;
  /** In the order in which to try them. */
  pods: readonly Pod[];
  assertion: IdentityAssertion;
  /** The client is gone: stop. */
  signal: AbortSignal;
};

/** Who takes the messages and events of the link, once it is piped. */
export type UpstreamEvents = {
  onMessage: (payload: Buffer) => void;
  onClose: (error: SshError | undefined) => void;
  /** Drained, or a step of a key exchange. */
  onChange: () => void;
};

/** A pod that knows whom it serves. Nothing of the client has reached it yet. */
export type Upstream = { link: TransportSocket; pod: Pod; take: (events: UpstreamEvents) => void };

/**
 * Connects to the first pod that answers. Only a failure to reach a pod makes it try the next; a pod that answers
 * wrongly is a refusal. @throws RefusalError
 */
export async function connectUpstream(options: UpstreamOptions): Promise<Upstream> {
  if (options.pods.length === 0) throw new RefusalError('no-pods', 'the service has no endpoints');
  let last: unknown;
  for (const pod of options.pods.slice(0, MOST_PODS_TRIED)) {
    try {
      return await new Attempt(options, pod).result;
    } catch (error) {
      last = error;
      if (!(error instanceof RefusalError) || error.code !== 'unreachable' || options.signal.aborted) throw error;
    }
  }
  throw last;
}

/** What a failure means, by how far we had come. */
const PHASES = {
  connecting: 'unreachable',
  handshaking: 'unreachable',
  authenticating: 'upstream-failed',
  asserting: 'upstream-failed',
  asserted: 'upstream-failed',
  piped: 'pod-gone',
} as const satisfies Record<string, RefusalCode>;

/** One pod: TCP, host key, our key, the assertion; in this order, and nothing is said before the host key is verified. */
class Attempt {
  readonly #options: UpstreamOptions;
  readonly #pod: Pod;
  readonly #socket: Socket;
  readonly #done = Promise.withResolvers<Upstream>();
  #phase: keyof typeof PHASES = 'connecting';
  #timer: NodeJS.Timeout;
  #link: TransportSocket | undefined;
  #events: UpstreamEvents | undefined;
  #receive: (payload: Buffer) => void = () => undefined;
  #earlyRequests = 0;

  constructor(options: UpstreamOptions, pod: Pod) {
    this.#options = options;
    this.#pod = pod;
    this.#timer = setTimeout(() => this.#fail('no TCP connection in time'), CONNECT_TIMEOUT_MS);
    const { port } = options.login.route;
    this.#socket = connect({ host: pod.address, port, ...SOCKET });
    this.#socket.once('error', (error) => this.#fail(error.message));
    this.#socket.once('connect', () => this.#handshake());
    options.signal.addEventListener('abort', this.#abort, { once: true });
  }

  get result(): Promise<Upstream> {
    return this.#done.promise;
  }

  #handshake(): void {
    const { login } = this.#options;
    this.#phase = 'handshaking';
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail('no login in time'), LOGIN_TIMEOUT_MS);
    this.#link = new TransportSocket(this.#socket, {
      role: 'client',
      software: IDENT,
      // A server with several host keys must show the pinned one.
      algorithms: { hostKey: [...new Set(login.hostKeys.flatMap((key) => key.signatureAlgorithms))] },
      verifyHostKey: (key) => login.hostKeys.some((known) => key.equals(known)),
      onReady: () => this.#authenticate(),
      onMessage: (payload) => this.#receive(payload),
      onClose: (error) => this.#closed(error),
      onDrain: () => this.#events?.onChange(),
      onExchangeStep: () => this.#events?.onChange(),
    });
    this.#link.transport.start();
  }

  #authenticate(): void {
    const { login } = this.#options;
    const transport = this.#link?.transport;
    if (transport === undefined) return;
    this.#phase = 'authenticating';
    const authentication = new UserAuthenticationClient({
      transport,
      username: login.user.username,
      key: login.mappingKey,
      onSuccess: () => this.#assert(),
      onFailure: (error) => this.#fail(error.message, 'mapping-key-refused'),
    });
    this.#receive = (payload) => authentication.receive(payload);
    authentication.start();
  }

  #assert(): void {
    this.#phase = 'asserting';
    this.#receive = (payload) => this.#receiveEarly(payload);
    const assertion = JSON.stringify(IdentityAssertion.parse(this.#options.assertion));
    const request = new Writer().byte(MSG.GLOBAL_REQUEST).string(ASSERT_IDENTITY).boolean(true).string(assertion);
    this.#link?.transport.send(request.bytes());
  }

  /** Before the first message of the client, a pod has nothing to say but its answer and requests of its own. */
  #receiveEarly(payload: Buffer): void {
    const type = typeOf(payload);
    if (type === MSG.GLOBAL_REQUEST) return this.#refuseGlobal(new Reader(payload, 1));
    if (type === MSG.REQUEST_SUCCESS && this.#phase === 'asserting') return this.#asserted();
    if (type === MSG.REQUEST_FAILURE && this.#phase === 'asserting')
      return this.#fail('the assertion was refused', 'ceiling-refused');
    throw new SshError('protocol', `the pod sent message ${type} before the client did anything`);
  }

  #refuseGlobal(reader: Reader): void {
    if (++this.#earlyRequests > MOST_EARLY_REQUESTS) throw new SshError('protocol', 'the pod asks for too much');
    reader.name();
    if (reader.boolean()) this.#link?.transport.send(REQUEST_FAILURE);
  }

  #asserted(): void {
    const link = this.#link;
    if (link === undefined) return;
    this.#phase = 'asserted';
    clearTimeout(this.#timer);
    this.#options.signal.removeEventListener('abort', this.#abort);
    const take = (events: UpstreamEvents): void => {
      this.#phase = 'piped';
      this.#events = events;
      this.#receive = events.onMessage;
      // It may have closed between the assertion and now.
      if (link.transport.closed) events.onClose(undefined);
    };
    this.#done.resolve({ link, pod: this.#pod, take });
  }

  readonly #abort = (): void => this.#fail('the client is gone');

  #closed(error: SshError | undefined): void {
    if (this.#phase === 'piped') return this.#events?.onClose(error);
    if (error?.code === 'host-key') this.#fail(error.message, 'host-key-mismatch');
    // A server that allows a single try says goodbye instead of "failure".
    else if (error?.disconnectReason === DISCONNECT.NO_MORE_AUTH_METHODS_AVAILABLE)
      this.#fail(error.message, 'mapping-key-refused');
    else this.#fail(error?.message ?? 'the pod closed the connection');
  }

  #fail(detail: string, code: RefusalCode = PHASES[this.#phase]): void {
    clearTimeout(this.#timer);
    this.#options.signal.removeEventListener('abort', this.#abort);
    const where = `${this.#pod.name} (${this.#pod.address}), ${this.#phase}: ${detail}`;
    this.#done.reject(new RefusalError(code, where));
    this.#link?.close();
    this.#socket.destroy();
  }
}
