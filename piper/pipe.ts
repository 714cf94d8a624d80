import type { SessionPolicy } from '../crds/index.ts';
import type { Clock } from '../lib/ssh/clock.ts';
import { MSG } from '../lib/ssh/numbers.ts';
import type { TransportSocket } from '../lib/ssh/transport/transport-socket.ts';
import type { Reader } from '../lib/ssh/wire.ts';
import { PolicyFilter } from './policy/policy-filter.ts';
import { recipientOf, typeOf } from './policy/messages.ts';
import type { Objection } from './policy/rules.ts';
import type { Sshd } from './policy/sshd.ts';

/** Answers of our own that a peer may leave unread, before we read no further requests from it. */
const MAX_UNREAD_ANSWERS = 64 * 1024;
/** Warnings that a pod has announced and not given; more are data like any other. */
const MOST_NOTICES = 256;
/** What a packet costs beside its payload: framing, padding, tag. */
const PACKET_COST = 48;

/** ping@openssh.com (OpenSSH PROTOCOL §1.10): hop by hop, never offered by us, so never relayed. */
const PING = 192;
const PONG = 193;

type Side = {
  readonly link: TransportSocket;
  /** Bytes of our own answers since the link last had room. */
  unreadAnswers: number;
  paused: boolean;
};

export type PipeOptions = {
  downstream: TransportSocket;
  upstream: TransportSocket;
  policy: SessionPolicy;
  sshd?: Sshd | undefined;
  /** The reply to a request for proofs of our own host keys. */
  proveHostKeys: (asked: Reader) => Buffer | undefined;
  /** Sessions that the user has open on other connections. */
  sessionsElsewhere: () => number;
  onBegin: (what: string) => void;
  onRefuse: (what: string, objection: Objection) => void;
  connectionId: string;
  clock: Clock;
};

/**
 * Passes payloads end to end between two authenticated transports. Channel numbers and windows are the two ends' own,
 * so memory stays flat: what is in flight is bounded by the ends' windows, and a side that cannot write stops the
 * other's reading.
 */
export class Pipe {
  readonly #client: Side;
  readonly #pod: Side;
  readonly #filter: PolicyFilter;
  /** Whose message is being handled: what is sent back to it is an answer of our own. */
  #from: Side | undefined;
  /** The message being handled, if it is data: nobody but the other end looks into it, so it need not be copied. */
  #data: Buffer | undefined;
  readonly #clock: Clock;
  #lastDataAt: number;
  /** Channels, by the client's number, whose next data of the pod is no activity. */
  readonly #notices = new Set<number>();

  constructor({ downstream, upstream, clock, ...filter }: PipeOptions) {
    this.#clock = clock;
    this.#lastDataAt = clock.now();
    this.#client = { link: downstream, unreadAnswers: 0, paused: false };
    this.#pod = { link: upstream, unreadAnswers: 0, paused: false };
    this.#filter = new PolicyFilter({
      ...filter,
      toClient: (payload) => this.#send(this.#client, payload),
      toPod: (payload) => this.#send(this.#pod, payload),
      onNoActivity: (channel) => {
        if (this.#notices.size < MOST_NOTICES) this.#notices.add(channel);
      },
    });
  }

  /** Session channels that are open. */
  get sessions(): number {
    return this.#filter.sessions;
  }

  /** When data last passed on a channel, either way; a keepalive is none. */
  get lastDataAt(): number {
    return this.#lastDataAt;
  }

  /** A message of the client. @throws SshError where it broke the protocol */
  readonly fromClient = (payload: Buffer): void => {
    this.#handle(this.#client, payload);
  };

  /** A message of the pod. @throws SshError where it broke the protocol */
  readonly fromPod = (payload: Buffer): void => {
    this.#handle(this.#pod, payload);
  };

  /** To be called when a socket has drained or a key exchange has made a step: who may read now? */
  readonly regulate = (): void => {
    this.#gate(this.#client, this.#pod);
    this.#gate(this.#pod, this.#client);
  };

  #handle(from: Side, payload: Buffer): void {
    const type = typeOf(payload);
    if (type === PING || type === PONG) return;
    const isData = type === MSG.CHANNEL_DATA || type === MSG.CHANNEL_EXTENDED_DATA;
    if (isData && !this.#isNotice(from, payload)) this.#lastDataAt = this.#clock.now();
    this.#from = from;
    this.#data = isData ? payload : undefined;
    if (from === this.#client) this.#filter.fromClient(payload);
    else this.#filter.fromPod(payload);
    this.#from = undefined;
    this.#data = undefined;
    this.regulate();
  }

  /** The data that the pod has announced as a warning of its own: read only where there is such an announcement. */
  #isNotice(from: Side, payload: Buffer): boolean {
    return from === this.#pod && this.#notices.size > 0 && this.#notices.delete(recipientOf(payload));
  }

  #send(to: Side, payload: Buffer): void {
    if (to === this.#from) to.unreadAnswers += payload.length + PACKET_COST;
    if (payload === this.#data && this.#from !== undefined) to.link.transport.relay(payload, this.#from.link.transport);
    else to.link.transport.send(payload);
  }

  /**
   * May `from` be read? Not while `to` cannot take more: TransportSocket says when, and reads on all the same where a
   * key exchange needs it, so that two sides in one never wait for each other.
   */
  #gate(from: Side, to: Side): void {
    if (!from.link.blocked) from.unreadAnswers = 0;
    // Data alone never stops the reading of the side it is for (both ends could wait for each other); answers do.
    const stop = to.link.blocked || from.unreadAnswers > MAX_UNREAD_ANSWERS;
    if (stop === from.paused) return;
    from.paused = stop;
    if (stop) from.link.pause();
    else from.link.resume();
  }
}
