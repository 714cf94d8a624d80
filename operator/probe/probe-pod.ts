/** One look at the sshd of a pod: TCP, ident, key exchange, login with the mapping key, goodbye. */
import { connect, type Socket } from 'node:net';
import { UserAuthenticationClient } from '../../lib/ssh/authentication/client.ts';
import { SshError } from '../../lib/ssh/errors.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { PublicKey } from '../../lib/ssh/keys/public-key.ts';
import { DISCONNECT } from '../../lib/ssh/numbers.ts';
import { DEFAULT_ALGORITHMS } from '../../lib/ssh/transport/algorithms.ts';
import { TransportSocket } from '../../lib/ssh/transport/transport-socket.ts';
import { failureOf, type Outcome, type ProbeTarget } from './outcome.ts';

const CONNECT_TIMEOUT_MS = 3_000;
/** From the TCP connection until the login. */
const LOGIN_TIMEOUT_MS = 10_000;
/** A login takes about 4 KiB of a server. */
const MOST_BYTES = 65_536;
/** OpenSSH's penalties and its log know it by this name; it must begin so (lib/ssh/transport/ident.ts). */
const SOFTWARE = 'OpenSSH_9.9 sshaccess-probe';

/** Opens no channel, so that nothing runs in the pod. Never throws. */
export async function probePod(target: ProbeTarget, signal: AbortSignal): Promise<Outcome> {
  return await new Probe(target, signal).outcome;
}

class Probe {
  readonly #target: ProbeTarget;
  readonly #signal: AbortSignal;
  readonly #socket: Socket;
  readonly #done = Promise.withResolvers<Outcome>();
  #timer: NodeJS.Timeout;
  #link: TransportSocket | undefined;
  #authentication: UserAuthenticationClient | undefined;
  #hostKey = '';
  #isSettled = false;

  constructor(target: ProbeTarget, signal: AbortSignal) {
    this.#target = target;
    this.#signal = signal;
    this.#timer = setTimeout(() => this.#fail(new SshError('timeout', 'no answer in 3 s')), CONNECT_TIMEOUT_MS);
    this.#socket = connect({ host: target.address, port: target.port });
    this.#socket.once('connect', () => this.#handshake());
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('data', () => this.#countBytes());
    signal.addEventListener('abort', this.#abort, { once: true });
    if (signal.aborted) this.#abort();
  }

  get outcome(): Promise<Outcome> {
    return this.#done.promise;
  }

  #handshake(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail(new SshError('timeout', 'no login within 10 s')), LOGIN_TIMEOUT_MS);
    const expected = this.#target.hostKeys.map((line) => PublicKey.fromLine(line));
    // A server with several keys must show one that we know; one that has none of those shows which it has.
    const preferred = expected.flatMap(({ signatureAlgorithms }) => signatureAlgorithms);
    const link = new TransportSocket(this.#socket, {
      role: 'client',
      software: SOFTWARE,
      algorithms: { hostKey: [...new Set([...preferred, ...DEFAULT_ALGORITHMS.hostKey])] },
      verifyHostKey: (key) => {
        this.#hostKey = key.toLine();
        return expected.length === 0 || expected.some((known) => known.equals(key));
      },
      onReady: () => this.#authenticate(link),
      onMessage: (payload) => this.#authentication?.receive(payload),
      onClose: (error) => this.#fail(error ?? new SshError('closed', 'the connection was closed')),
    });
    this.#link = link;
    link.transport.start();
  }

  #authenticate({ transport }: TransportSocket): void {
    this.#authentication = new UserAuthenticationClient({
      transport,
      username: this.#target.username,
      key: PrivateKey.parse(this.#target.mappingKey),
      onSuccess: () => {
        this.#settle({ result: 'reached', ident: transport.remoteIdent, hostKey: this.#hostKey });
        transport.disconnect(DISCONNECT.BY_APPLICATION, 'sshaccess looks whether this pod can be reached');
      },
      onFailure: (error) => this.#fail(error),
    });
    this.#authentication.start();
  }

  #countBytes(): void {
    if (this.#socket.bytesRead <= MOST_BYTES) return;
    this.#fail(new SshError('protocol', 'it sends too much before a login'));
    this.#socket.destroy();
  }

  readonly #abort = (): void => this.#fail(new SshError('closed', 'nobody wants to know any more'));

  #fail(error: SshError | NodeJS.ErrnoException): void {
    if (this.#isSettled) return;
    const ident = this.#link?.transport.remoteIdent ?? '';
    const isAuthenticating = this.#authentication !== undefined;
    this.#settle(failureOf({ isConnected: this.#link !== undefined, isAuthenticating, ident }, error));
    // A link says goodbye before it goes.
    if (this.#link === undefined) this.#socket.destroy();
    else this.#link.close();
  }

  #settle(outcome: Outcome): void {
    this.#isSettled = true;
    clearTimeout(this.#timer);
    this.#signal.removeEventListener('abort', this.#abort);
    this.#done.resolve(outcome);
  }
}
