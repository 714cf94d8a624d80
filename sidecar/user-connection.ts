import { END_ACCESS, ENDING_SOON, type IdentityAssertion } from '../crds/identity-assertion.ts';
import type { Logger } from '../lib/process/logger.ts';
import type { Clock } from '../lib/ssh/clock.ts';
import type { Answer } from '../lib/ssh/connection/answers.ts';
import type { Channel, ChannelEvents } from '../lib/ssh/connection/channel.ts';
import type { ChannelOpen } from '../lib/ssh/connection/channel-open.ts';
import { Connection } from '../lib/ssh/connection/connection.ts';
import { Keepalive, KEEPALIVE_REQUEST } from '../lib/ssh/connection/keepalive.ts';
import type { Link } from '../lib/ssh/connection/link.ts';
import { OPEN_FAILURE } from '../lib/ssh/numbers.ts';
import type { Reader } from '../lib/ssh/wire.ts';
import type { Audit } from './audit.ts';
import type { SessionConnection } from './environment.ts';
import { duration } from './duration.ts';
import { Forwarding } from './forwarding/forwarding.ts';
import { KEEPALIVE_INTERVAL_MS, MAX_FORWARDS, MAX_KEEPALIVES_UNANSWERED, MOST_FORWARDS_RECORDED } from './limits.ts';
import { type ServedSession, serveSession } from './session.ts';
import type { Place } from './place.ts';
import { startSession } from './start-session.ts';
import { TimeLimits } from './time-limits.ts';
import { isData, watchData } from './watch-data.ts';

export type UserConnectionOptions = {
  link: Link;
  assertion: IdentityAssertion;
  /** The address and port that the piper connected to. */
  server: { address: string; port: number };
  place: Place;
  /** Undefined: this pod keeps no record. */
  audit: Audit | undefined;
  log: Logger;
  clock: Clock;
  /** Ends the connection, and says why. */
  end: (reason: string) => void;
};

/** Serves one asserted user: sessions and forwarding as the policy allows; all else is refused. */
export class UserConnection {
  readonly #options: UserConnectionOptions;
  readonly #connection: Connection;
  readonly #about: SessionConnection;
  readonly #since = new Date();
  readonly #connectedAt = performance.now();
  readonly #limits: TimeLimits;
  readonly #keepalive: Keepalive;
  readonly #forwarding: Forwarding;
  readonly #sessions = new Set<ServedSession>();
  readonly #forwards = new Set<string>();
  #lingeringSessions = 0;
  #telling = false;
  #noMoreSessions = false;

  constructor(options: UserConnectionOptions) {
    const { assertion, link, clock, end } = options;
    this.#options = options;
    this.#about = describe(options);
    const { policy, expiresAt } = assertion;
    const untilExpiryMs = expiresAt === undefined ? undefined : Date.parse(expiresAt) - this.#since.getTime();
    this.#limits = new TimeLimits({ policy, untilExpiryMs, clock, warn: (sentence) => this.#tell(sentence), end });
    this.#connection = new Connection({
      link: watchData(link, () => this.#dataPassed()),
      maxChannels: assertion.policy.maxSessions + MAX_FORWARDS,
      onChannelOpen: (open) => this.#receiveOpen(open),
      onGlobalRequest: (name, fields) => this.#receiveGlobalRequest(name, fields),
    });
    const { place, server, log } = options;
    const audit = (kind: string, to?: string): void => this.#auditForward(kind, to);
    this.#forwarding = new Forwarding({ opener: this.#connection, assertion, place, port: server.port, log, audit });
    this.#keepalive = new Keepalive({
      clock,
      intervalMs: KEEPALIVE_INTERVAL_MS,
      maxUnanswered: MAX_KEEPALIVES_UNANSWERED,
      ask: () => void this.#connection.request(KEEPALIVE_REQUEST, Buffer.alloc(0)),
      onGone: () => end('the client is gone: it answers no more'),
    });
  }

  /** Handles one message. @throws SshError where the peer broke a rule: the connection must then end. */
  receive(payload: Buffer): void {
    this.#keepalive.heard();
    if (isData(payload)) this.#dataPassed();
    this.#connection.receive(payload);
  }

  /** The socket below has room again. */
  drained(): void {
    this.#connection.drained();
  }

  /** The user's access has ended: kills what they started here, also what would survive the end of the connection. */
  kill(): void {
    for (const session of this.#sessions) session.kill();
  }

  /** The connection is over. */
  close(): void {
    this.#keepalive.stop();
    this.#limits.stop();
    this.#forwarding.close();
    this.#connection.close();
  }

  #dataPassed(): void {
    if (!this.#telling) this.#limits.dataPassed();
  }

  /** On every terminal of the connection: whoever sits at one of them can do something about it. */
  #tell(sentence: string): void {
    this.#telling = true;
    for (const session of this.#sessions) session.tell(sentence);
    this.#telling = false;
  }

  #receiveOpen(open: ChannelOpen): void {
    if (open.type === 'session') return this.#openSession(open);
    if (open.type === 'direct-tcpip') return this.#forwarding.openPort(open);
    if (open.type === 'direct-streamlocal@openssh.com') return this.#forwarding.openSocket(open);
    return open.refuse(OPEN_FAILURE.UNKNOWN_CHANNEL_TYPE, 'unknown channel type');
  }

  /** Everything else is refused: a second assertion, and keepalives, to which a refusal is an answer too. */
  #receiveGlobalRequest(name: string, fields: Reader): boolean | Promise<Answer> {
    if (name === END_ACCESS) this.kill();
    if (name === ENDING_SOON) return this.#endingSoon(fields.uint32());
    if (name !== 'no-more-sessions@openssh.com') return this.#forwarding.receiveRequest(name, fields);
    this.#noMoreSessions = true;
    return true;
  }

  #endingSoon(seconds: number): true {
    const left = duration(seconds * 1000);
    this.#tell(`this gateway has to shut down, and ends the connection in ${left}: save your work, and connect again.`);
    return true;
  }

  /** Each destination once: a browser opens connection after connection. */
  #auditForward(kind: string, to?: string): void {
    const forward = `${kind} ${to}`;
    if (this.#forwards.has(forward) || this.#forwards.size >= MOST_FORWARDS_RECORDED) return;
    this.#forwards.add(forward);
    const { audit, assertion } = this.#options;
    audit?.(assertion, { type: 'forward', kind, ...(to !== undefined && { to }) });
  }

  #openSession(open: ChannelOpen): void {
    const { assertion, place } = this.#options;
    const { policy } = assertion;
    if (this.#noMoreSessions) return prohibit(open, 'the client asked for no more sessions');
    if (this.#sessions.size >= policy.maxSessions || this.#lingeringSessions >= policy.maxSessions) {
      place.counts.refused('sessions');
      return prohibit(open, `no more than ${policy.maxSessions} sessions at once`);
    }
    open.fields.end();
    return open.accept((channel) => this.#serveSession(channel));
  }

  #serveSession(channel: Channel): ChannelEvents {
    const { assertion, log, place, audit } = this.#options;
    const user = {
      assertion,
      connection: this.#about,
      since: this.#since,
      connectedAt: this.#connectedAt,
      audited: audit !== undefined,
    };
    const session = serveSession({
      policy: assertion.policy,
      channel,
      log,
      audit: (event) => {
        if (event.refused === true) place.counts.refused(event.type === 'subsystem' ? 'subsystem' : 'command');
        audit?.(assertion, event);
      },
      start: (start, onEnd) => startSession(place, user, start, onEnd),
      resources: this.#forwarding.sessionResources(),
      onGone: () => this.#lingeringSessions--,
    });
    this.#sessions.add(session);
    place.counts.sessions++;
    const onClose = (): void => {
      // A program that does not heed its SIGHUP outlives its channel for seconds; it counts until it is gone.
      this.#sessions.delete(session);
      place.counts.sessions--;
      this.#lingeringSessions++;
      session.events.onClose();
    };
    return { ...session.events, onClose };
  }
}

function describe({ assertion, server }: UserConnectionOptions): SessionConnection {
  return {
    id: assertion.connectionId,
    username: assertion.username,
    clientAddress: assertion.clientAddress,
    clientPort: assertion.clientPort,
    // A dual-stack listener shows IPv4 as mapped; no program expects that in SSH_CONNECTION.
    serverAddress: server.address.replace(/^::ffff:/, ''),
    serverPort: server.port,
  };
}

function prohibit(open: ChannelOpen, description: string): void {
  open.refuse(OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED, description);
}
