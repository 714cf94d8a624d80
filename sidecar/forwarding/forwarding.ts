import type { IdentityAssertion } from '../../crds/identity-assertion.ts';
import type { Logger } from '../../lib/process/logger.ts';
import type { Answer } from '../../lib/ssh/connection/answers.ts';
import type { ChannelOpen } from '../../lib/ssh/connection/channel-open.ts';
import { OPEN_FAILURE } from '../../lib/ssh/numbers.ts';
import type { Reader } from '../../lib/ssh/wire.ts';
import { MAX_FORWARDS } from '../limits.ts';
import { entranceOf, type Place, situate } from '../place.ts';
import type { MakeResource } from '../session.ts';
import { AGENT_REQUEST, agentMaker } from './agent.ts';
import type { ForwardingContext } from './context.ts';
import { Forwards, type Opener } from './forwards.ts';
import { Listeners } from './listeners.ts';
import { forwardToPort, readDirectTcpip } from './local.ts';
import { loopbackTargets } from './loopback.ts';
import { listenForClient, stopListening } from './remote.ts';
import { forwardToSocket, listenAtSocket, stopListeningAtSocket } from './sockets.ts';
import { X11_REQUEST, x11Maker } from './x11.ts';

export type ForwardingOptions = {
  opener: Opener;
  assertion: IdentityAssertion;
  place: Place;
  /** The sidecar's own, which nobody is forwarded to. */
  port: number;
  log: Logger;
  /** A forward begins, or is asked for: its name in SSH, and the port that it leads to. */
  audit: (kind: string, to?: string) => void;
};

/** ip(7): those below are for who is privileged. */
const FIRST_UNPRIVILEGED_PORT = 1024;

/** Everything that one connection forwards, as far as its policy goes. */
export class Forwarding {
  readonly #options: ForwardingOptions;
  readonly #context: ForwardingContext;

  constructor(options: ForwardingOptions) {
    const { opener, assertion, place, log } = options;
    this.#options = options;
    this.#context = {
      forwards: new Forwards(opener, place.counts),
      listeners: new Listeners(),
      entrance: () => entranceOf(place, assertion),
      log,
    };
  }

  /** `direct-tcpip`: to the pod's loopback. */
  openPort(open: ChannelOpen): void {
    const { assertion, port, log } = this.#options;
    const { forwards } = this.#context;
    const destination = readDirectTcpip(open.fields);
    const addresses = loopbackTargets(assertion.policy, destination, port);
    if (addresses === undefined) {
      log.warn({ host: destination.host.slice(0, 255), port: destination.port }, 'forwarding refused');
      return this.#prohibit(open, 'only 127.0.0.1, ::1 and localhost are forwarded to, where the policy allows it');
    }
    if (!forwards.take())
      return open.refuse(OPEN_FAILURE.RESOURCE_SHORTAGE, `no more than ${MAX_FORWARDS} forwarded connections at once`);
    this.#options.audit(open.type, `${destination.host}:${destination.port}`);
    return forwardToPort(open, addresses, destination.port, () => forwards.release());
  }

  /** `direct-streamlocal@openssh.com`: to a socket of the app. */
  openSocket(open: ChannelOpen): void {
    if (!this.#options.assertion.policy.socketForwarding) return this.#prohibit(open, 'sockets are not forwarded here');
    this.#options.audit(open.type);
    return forwardToSocket(open, this.#context);
  }

  /** The global requests of -R. False: none of them, or not allowed. */
  receiveRequest(name: string, fields: Reader): boolean | Promise<Answer> {
    const { assertion, audit, place } = this.#options;
    const { policy } = assertion;
    const ports = policy.remoteForwarding === 'loopback';
    if (name === 'tcpip-forward' || name === 'streamlocal-forward@openssh.com') {
      if (name === 'tcpip-forward' ? ports : policy.socketForwarding) audit(name);
      else place.counts.refused('forward');
    }
    switch (name) {
      case 'tcpip-forward':
        return ports && listenForClient(fields, { ...this.#context, mayListenOn: (port) => this.#mayListenOn(port) });
      case 'cancel-tcpip-forward':
        return ports && stopListening(fields, this.#context.listeners);
      case 'streamlocal-forward@openssh.com':
        return policy.socketForwarding && listenAtSocket(fields, this.#context);
      case 'cancel-streamlocal-forward@openssh.com':
        return policy.socketForwarding && stopListeningAtSocket(fields, this.#context);
      default:
        return false;
    }
  }

  /** What a session may ask for, by the request. */
  sessionResources(): ReadonlyMap<string, MakeResource> {
    const { agentForwarding, x11Forwarding } = this.#options.assertion.policy;
    const makers = new Map<string, MakeResource>();
    if (agentForwarding) makers.set(AGENT_REQUEST, agentMaker(this.#context));
    if (x11Forwarding) makers.set(X11_REQUEST, x11Maker(this.#context));
    return makers;
  }

  /** The connection is over. What has been accepted ends with its channel. */
  close(): void {
    this.#context.listeners.close();
  }

  /** The sidecar may bind more than its user: low ports are for a session of uid 0, and the sidecar's own for nobody. */
  async #mayListenOn(port: number): Promise<boolean> {
    const { place, assertion } = this.#options;
    if (port === this.#options.port) return false;
    return port === 0 || port >= FIRST_UNPRIVILEGED_PORT || (await situate(place, assertion)).identity.uid === 0;
  }

  #prohibit(open: ChannelOpen, description: string): void {
    this.#options.place.counts.refused('forward');
    open.refuse(OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED, description);
  }
}
