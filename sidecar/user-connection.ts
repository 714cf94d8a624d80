import type { IdentityAssertion } from '../crds/identity-assertion.ts';
import type { Logger } from '../lib/process/logger.ts';
import type { Channel, ChannelEvents } from '../lib/ssh/connection/channel.ts';
import type { ChannelOpen } from '../lib/ssh/connection/channel-open.ts';
import { Connection } from '../lib/ssh/connection/connection.ts';
import type { Link } from '../lib/ssh/connection/link.ts';
import { OPEN_FAILURE } from '../lib/ssh/numbers.ts';
import type { Audit } from './audit.ts';
import type { SessionConnection } from './environment.ts';
import { forward, readDirectTcpip } from './forwarding.ts';
import { MAX_FORWARDS } from './limits.ts';
import { loopbackTargets } from './loopback.ts';
import { serveSession } from './session.ts';
import { type Place, startSession } from './start-session.ts';

export type UserConnectionOptions = {
  link: Link;
  assertion: IdentityAssertion;
  /** The address and port that the piper connected to. */
  server: { address: string; port: number };
  place: Place;
  audit: Audit;
  log: Logger;
};

/** Serves one asserted user: sessions and loopback forwarding as the policy allows; all else is refused. */
export function serveUser(options: UserConnectionOptions): Connection {
  const user = new UserConnection(options);
  return new Connection({
    link: options.link,
    maxChannels: options.assertion.policy.maxSessions + MAX_FORWARDS,
    onChannelOpen: (open) => user.receiveOpen(open),
    onGlobalRequest: (name) => user.receiveGlobalRequest(name),
  });
}

class UserConnection {
  readonly #options: UserConnectionOptions;
  readonly #connection: SessionConnection;
  #sessions = 0;
  #lingeringSessions = 0;
  #forwards = 0;
  #noMoreSessions = false;

  constructor(options: UserConnectionOptions) {
    const { assertion, server } = options;
    this.#options = options;
    this.#connection = {
      id: assertion.connectionId,
      username: assertion.username,
      clientAddress: assertion.clientAddress,
      clientPort: assertion.clientPort,
      // A dual-stack listener shows IPv4 as mapped; no program expects that in SSH_CONNECTION.
      serverAddress: server.address.replace(/^::ffff:/, ''),
      serverPort: server.port,
    };
  }

  receiveOpen(open: ChannelOpen): void {
    if (open.type === 'session') return this.#openSession(open);
    if (open.type === 'direct-tcpip') return this.#openForward(open);
    if (open.type === 'direct-streamlocal@openssh.com') return prohibit(open, 'sockets are not forwarded here');
    return open.refuse(OPEN_FAILURE.UNKNOWN_CHANNEL_TYPE, 'unknown channel type');
  }

  /** Everything else is refused: -R, a second assertion, and keepalives, to which a refusal is an answer too. */
  receiveGlobalRequest(name: string): boolean {
    if (name !== 'no-more-sessions@openssh.com') return false;
    this.#noMoreSessions = true;
    return true;
  }

  #openSession(open: ChannelOpen): void {
    const { policy } = this.#options.assertion;
    if (this.#noMoreSessions) return prohibit(open, 'the client asked for no more sessions');
    if (this.#sessions >= policy.maxSessions || this.#lingeringSessions >= policy.maxSessions)
      return prohibit(open, `no more than ${policy.maxSessions} sessions at once`);
    open.fields.end();
    this.#sessions++;
    return open.accept((channel) => this.#serveSession(channel));
  }

  #serveSession(channel: Channel): ChannelEvents {
    const { assertion, log, place, audit } = this.#options;
    const events = serveSession({
      assertion,
      channel,
      log,
      audit: (event) => audit(assertion, event),
      start: (start, onEnd) => startSession(place, { assertion, connection: this.#connection }, start, onEnd),
      onGone: () => this.#lingeringSessions--,
    });
    const onClose = (): void => {
      // A program that does not heed its SIGHUP outlives its channel for seconds; it counts until it is gone.
      this.#sessions--;
      this.#lingeringSessions++;
      events.onClose();
    };
    return { ...events, onClose };
  }

  #openForward(open: ChannelOpen): void {
    const { assertion, server, log } = this.#options;
    const destination = readDirectTcpip(open.fields);
    const addresses = loopbackTargets(assertion.policy, destination, server.port);
    if (addresses === undefined) {
      log.warn({ host: destination.host.slice(0, 255), port: destination.port }, 'forwarding refused');
      return prohibit(open, 'only 127.0.0.1, ::1 and localhost are forwarded to, where the policy allows it');
    }
    if (this.#forwards >= MAX_FORWARDS)
      return open.refuse(OPEN_FAILURE.RESOURCE_SHORTAGE, `no more than ${MAX_FORWARDS} forwarded connections at once`);
    this.#forwards++;
    return forward(open, addresses, destination.port, () => this.#forwards--);
  }
}

function prohibit(open: ChannelOpen, description: string): void {
  open.refuse(OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED, description);
}
