import { connect, type Socket } from 'node:net';
import { type Runtime, SIDECAR_SOFTWARE } from '../crds/index.ts';
import type { OpenSpan } from '../lib/process/tracing/span.ts';
import { UserAuthenticationClient } from '../lib/ssh/authentication/client.ts';
import { SshError } from '../lib/ssh/errors.ts';
import { DISCONNECT, MSG } from '../lib/ssh/numbers.ts';
import { TransportSocket } from '../lib/ssh/transport/transport-socket.ts';
import { Reader, Writer } from '../lib/ssh/wire.ts';
import type { Pod } from './directory/endpoints.ts';
import { REQUEST_FAILURE, typeOf } from './policy/messages.ts';
import { RefusalError, type RefusalCode } from './refusals.ts';
import type { Upstream, UpstreamEvents, AttemptOptions } from './upstream.ts';
import { IDENT, SOCKET } from './wire.ts';

const CONNECT_TIMEOUT_MS = 5_000;
/** From the TCP connection until the pod serves: whatever it asks or says meanwhile, nobody waits longer. */
const LOGIN_TIMEOUT_MS = 10_000;
/** Each is answered, and nothing holds a pod back that does not read the answers. sshd sends one. */
const MOST_EARLY_REQUESTS = 16;

/** What a failure means, by how far we had come. */
const PHASES = {
  connecting: 'unreachable',
  handshaking: 'unreachable',
  authenticating: 'upstream-failed',
  asserting: 'upstream-failed',
  serving: 'upstream-failed',
  piped: 'pod-gone',
} as const satisfies Record<string, RefusalCode>;

/** Those that somebody waits for, as steps of a trace. */
const STEPS = {
  connecting: 'tcp connect',
  handshaking: 'key exchange',
  authenticating: 'authentication',
  asserting: 'assert identity',
} as const satisfies Partial<Record<keyof typeof PHASES, string>>;

/** A server that allows a single try says goodbye instead of "failure": ours with the first of them, OpenSSH's with the other. */
const NO_MORE_TRIES: ReadonlySet<number> = new Set([
  DISCONNECT.NO_MORE_AUTH_METHODS_AVAILABLE,
  DISCONNECT.PROTOCOL_ERROR,
]);

/** One pod: TCP, host key, our key, the introduction; in this order, and nothing is said before the host key is verified. */
export class UpstreamAttempt {
  readonly #options: AttemptOptions;
  readonly #pod: Pod;
  readonly #socket: Socket;
  readonly #done = Promise.withResolvers<Upstream>();
  readonly #span: OpenSpan | undefined;
  #phase: keyof typeof PHASES = 'connecting';
  #timer: NodeJS.Timeout;
  #link: TransportSocket | undefined;
  #events: UpstreamEvents | undefined;
  #receive: (payload: Buffer) => void = () => undefined;
  #earlyRequests = 0;

  constructor(options: AttemptOptions, pod: Pod) {
    this.#options = options;
    this.#pod = pod;
    this.#span = options.onAttempt?.(pod);
    this.#enter('connecting');
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

  #enter(phase: keyof typeof STEPS): void {
    this.#phase = phase;
    this.#span?.step(STEPS[phase]);
  }

  #handshake(): void {
    const { login, admitRekey } = this.#options;
    this.#enter('handshaking');
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail('no login in time'), LOGIN_TIMEOUT_MS);
    const link = new TransportSocket(this.#socket, {
      role: 'client',
      rekeyAfterBytes: this.#options.rekeyAfterBytes,
      ...(admitRekey && { admitRekey }),
      software: IDENT,
      // A server with several host keys must show one that is pinned.
      algorithms: { hostKey: [...new Set(login.hostKeys.flatMap((key) => key.signatureAlgorithms))] },
      verifyHostKey: (key) => login.hostKeys.some((known) => key.equals(known)),
      onReady: () => this.#authenticate(link),
      onMessage: (payload) => this.#receive(payload),
      onClose: (error) => this.#closed(error),
      onDrain: () => this.#events?.onChange(),
      onExchangeStep: () => this.#events?.onChange(),
      readsPooled: true,
    });
    this.#link = link;
    link.transport.start();
  }

  #authenticate(link: TransportSocket): void {
    const { route, user, mappingKey } = this.#options.login;
    const runtime = runtimeOf(link.transport.remoteIdent);
    // Its users are one uid, and the route says that they are not: nobody gets more because a pod is yet to be replaced.
    const isSidecarMeant = route.runtime === 'sidecar' || this.#options.introduction.onlyToSidecars === true;
    if (isSidecarMeant && runtime !== 'sidecar')
      return this.#fail('the route says sidecar, and this is none', 'outdated-pod');
    this.#enter('authenticating');
    const authentication = new UserAuthenticationClient({
      transport: link.transport,
      username: user.upstreamUser ?? user.username,
      key: mappingKey,
      onSuccess: () => (runtime === 'sidecar' ? this.#introduce(link) : this.#serve(link, runtime)),
      onFailure: (error) => this.#fail(error.message, 'mapping-key-refused'),
    });
    this.#receive = (payload) => authentication.receive(payload);
    authentication.start();
  }

  #introduce(link: TransportSocket): void {
    this.#enter('asserting');
    this.#receive = (payload) => this.#receiveEarly(link, payload);
    const { request, text } = this.#options.introduction;
    link.transport.send(new Writer().byte(MSG.GLOBAL_REQUEST).string(request).boolean(true).string(text()).bytes());
  }

  /** Before the first message of the client, a pod has nothing to say but its answer and requests of its own. */
  #receiveEarly(link: TransportSocket, payload: Buffer): void {
    const type = typeOf(payload);
    if (type === MSG.GLOBAL_REQUEST) return this.#refuseGlobal(link, new Reader(payload, 1));
    if (type === MSG.REQUEST_SUCCESS && this.#phase === 'asserting') return this.#serve(link, 'sidecar');
    if (type === MSG.REQUEST_FAILURE && this.#phase === 'asserting')
      return this.#fail('the assertion was refused', 'ceiling-refused');
    throw new SshError('protocol', `the pod sent message ${type} before the client did anything`);
  }

  #refuseGlobal(link: TransportSocket, reader: Reader): void {
    if (++this.#earlyRequests > MOST_EARLY_REQUESTS) throw new SshError('protocol', 'the pod asks for too much');
    reader.name();
    if (reader.boolean()) link.transport.send(REQUEST_FAILURE);
  }

  #serve(link: TransportSocket, runtime: Runtime): void {
    this.#phase = 'serving';
    this.#span?.end();
    this.#receive = (payload) => this.#receiveEarly(link, payload);
    clearTimeout(this.#timer);
    this.#options.signal.removeEventListener('abort', this.#abort);
    const take = (events: UpstreamEvents): void => {
      this.#phase = 'piped';
      this.#events = events;
      this.#receive = events.onMessage;
      // It may have closed meanwhile.
      if (link.transport.closed) events.onClose(undefined);
    };
    this.#done.resolve({ link, pod: this.#pod, server: { runtime, software: link.transport.remoteIdent }, take });
  }

  readonly #abort = (): void => {
    const reason: unknown = this.#options.signal.reason;
    // Nothing is wrong with the pod.
    if (typeof reason === 'string') this.#span?.end(reason);
    this.#fail('the client is gone');
  };

  #closed(error: SshError | undefined): void {
    if (this.#phase === 'piped') return this.#events?.onClose(error);
    if (error?.code === 'host-key') this.#fail(error.message, 'host-key-mismatch');
    else if (
      this.#phase === 'authenticating' &&
      error?.code === 'disconnected' &&
      NO_MORE_TRIES.has(error.disconnectReason)
    )
      this.#fail(error.message, 'mapping-key-refused');
    else this.#fail(error?.message ?? 'the pod closed the connection');
  }

  #fail(detail: string, code: RefusalCode = PHASES[this.#phase]): void {
    clearTimeout(this.#timer);
    this.#options.signal.removeEventListener('abort', this.#abort);
    this.#span?.end(code);
    const { name, address } = this.#pod;
    const software = this.#link?.transport.remoteIdent ?? '';
    const where = [`${name} (${address})`, software, this.#phase].filter((word) => word !== '').join(', ');
    this.#done.reject(new RefusalError(code, `${where}: ${detail}`));
    this.#link?.close();
    this.#socket.destroy();
  }
}

/** What a server is by its own word, for which its host key vouches: the line is part of what the key has signed. */
function runtimeOf(software: string): Runtime {
  return software === SIDECAR_SOFTWARE ? 'sidecar' : 'main_container';
}
