import type { SessionPolicy } from '../../crds/index.ts';
import { SshError } from '../../lib/ssh/errors.ts';
import { MSG, OPEN_FAILURE } from '../../lib/ssh/numbers.ts';
import { Reader } from '../../lib/ssh/wire.ts';
import { ChannelRequests } from './channel-requests.ts';
import { type ChannelKind, Channels, type End, OTHER } from './channels.ts';
import { Forwards } from './forwards.ts';
import { GlobalRequests } from './global-requests.ts';
import { Invitations } from './invitations.ts';
import { clamped, environmentRequest, openFailure, recipientOf, typeOf } from './messages.ts';
import { Refusals } from './refusals.ts';
import { kindOfClient, type Objection, objectionToOpen } from './rules.ts';
import type { Sshd } from './sshd.ts';

/** Far more than a browser opens through `ssh -D`, both ends' together; a flood of opens ends here. */
const MOST_CHANNELS = 256;
/** Channels that a pod opens although nobody asked for them. An honest one does so while a cancel is on its way. */
const MOST_UNINVITED = 64;
const SHORTAGE = [OPEN_FAILURE.RESOURCE_SHORTAGE, 'too many channels are open'] as const;

export type PolicyFilterOptions = {
  policy: SessionPolicy;
  /** What serves in the pod, where it is no sidecar: then nobody but us enforces the policy. */
  sshd?: Sshd | undefined;
  toClient: (payload: Buffer) => void;
  toPod: (payload: Buffer) => void;
  /** The next data of the pod on this channel (the client's number) is a warning of its own (NO_ACTIVITY). */
  onNoActivity: (channel: number) => void;
  /** The reply to a request for proofs of our own host keys. */
  proveHostKeys: (asked: Reader) => Buffer | undefined;
  /** Sessions that the user has open on other connections. */
  sessionsElsewhere: () => number;
  /** What began: `session`, `exec`, `subsystem:sftp`, `direct-tcpip`, `tcpip-forward`, `x11`. For the record. */
  onBegin: (what: string) => void;
  /** What was refused for the first time, and why: `exec: commands`, and the latter alone. For the record. */
  onRefuse: (what: string, objection: Objection) => void;
  connectionId: string;
};

/**
 * Applies a session policy to the messages between client and pod. It reads only those that open something or ask for
 * something; data, windows and the rest pass untouched. What is refused is answered here, with the right numbers and in
 * the right order, and the other end never sees it.
 *
 * A payload is only looked at during the call. A peer that breaks the protocol makes it throw an SshError.
 */
export class PolicyFilter {
  readonly #options: PolicyFilterOptions;
  readonly #send: Readonly<Record<End, (payload: Buffer) => void>>;
  readonly #channels: Channels;
  readonly #invitations: Invitations;
  readonly #requests: ChannelRequests;
  readonly #globals: GlobalRequests;
  readonly #refusals: Refusals;
  #uninvited = 0;

  constructor(options: PolicyFilterOptions) {
    const { policy, sshd, toClient, toPod, onBegin, onNoActivity, proveHostKeys } = options;
    const bounds = { policy, sshd };
    const send = { client: toClient, pod: toPod };
    const forwards = new Forwards();
    this.#options = options;
    this.#send = send;
    const refusals = new Refusals(options);
    const channels = new Channels(send);
    const invitations = new Invitations(channels, forwards);
    this.#refusals = refusals;
    this.#channels = channels;
    this.#invitations = invitations;
    this.#requests = new ChannelRequests({ bounds, send, channels, invitations, refusals, onBegin, onNoActivity });
    this.#globals = new GlobalRequests({ bounds, send, forwards, refusals, onBegin, proveHostKeys });
  }

  /** Session channels that are open. */
  get sessions(): number {
    return this.#channels.sessions;
  }

  fromClient(payload: Buffer): void {
    this.#receive('client', payload);
  }

  fromPod(payload: Buffer): void {
    this.#receive('pod', payload);
  }

  #receive(from: End, payload: Buffer): void {
    const to = OTHER[from];
    if (from === 'pod' && this.#isForNobody(payload)) return;
    switch (typeOf(payload)) {
      case MSG.CHANNEL_WINDOW_ADJUST:
      case MSG.CHANNEL_DATA:
      case MSG.CHANNEL_EXTENDED_DATA:
      case MSG.CHANNEL_EOF:
        return this.#send[to](payload);
      case MSG.CHANNEL_SUCCESS:
      case MSG.CHANNEL_FAILURE:
        return this.#channels.addressed(from, recipientOf(payload)).replies[to].replied(payload);
      case MSG.CHANNEL_REQUEST:
        return from === 'client' ? this.#requests.fromClient(payload) : this.#requests.fromPod(payload);
      case MSG.CHANNEL_OPEN:
        return from === 'client' ? this.#clientOpens(payload) : this.#podOpens(payload);
      case MSG.CHANNEL_OPEN_CONFIRMATION:
        return this.#confirmation(from, payload);
      case MSG.CHANNEL_OPEN_FAILURE:
        this.#channels.fail(from, recipientOf(payload));
        return this.#send[to](payload);
      case MSG.CHANNEL_CLOSE:
        return this.#channels.close(from, recipientOf(payload)) ? this.#send[to](payload) : undefined;
      case MSG.GLOBAL_REQUEST:
        return from === 'client' ? this.#globals.fromClient(payload) : this.#globals.fromPod(payload);
      case MSG.REQUEST_SUCCESS:
      case MSG.REQUEST_FAILURE:
        return this.#globals.replied(to, payload);
      default:
        throw new SshError('protocol', `the ${from} sent message ${typeOf(payload)}`);
    }
  }

  /** An answer or a request of the pod on a session that we have ended in its place. */
  #isForNobody(payload: Buffer): boolean {
    const type = typeOf(payload);
    const isEither = type === MSG.CHANNEL_REQUEST || type === MSG.CHANNEL_SUCCESS || type === MSG.CHANNEL_FAILURE;
    return isEither && this.#channels.isOverForClient(recipientOf(payload));
  }

  #clientOpens(payload: Buffer): void {
    const open = readOpen(payload);
    const { type, number, fields } = open;
    if (this.#channels.size >= MOST_CHANNELS) return this.#send.client(openFailure(number, ...SHORTAGE));
    const kind = kindOfClient(type);
    const objection = kind === undefined ? 'unknown' : this.#objectionTo(kind, fields);
    if (kind !== undefined && objection === undefined) return this.#open('client', kind, open);
    const sentence = this.#refusals.record(type, objection ?? 'unknown');
    this.#send.client(openFailure(number, OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED, sentence));
  }

  #objectionTo(kind: ChannelKind, fields: Reader): Objection | undefined {
    const { policy, sshd, sessionsElsewhere } = this.#options;
    const isFull = kind === 'session' && this.#channels.sessions + sessionsElsewhere() >= policy.maxSessions;
    return isFull ? 'maxSessions' : objectionToOpen({ policy, sshd }, kind, fields);
  }

  /** The client sees nothing of what it has not asked for. */
  #podOpens(payload: Buffer): void {
    const open = readOpen(payload);
    const { type, number, fields } = open;
    if (this.#channels.size >= MOST_CHANNELS) return this.#send.pod(openFailure(number, ...SHORTAGE));
    const kind = this.#invitations.accept(type, fields);
    if (kind !== undefined) return this.#open('pod', kind, open);
    if (++this.#uninvited > MOST_UNINVITED)
      throw new SshError('protocol', 'the pod opens channel after channel that nobody asked for');
    this.#send.pod(openFailure(number, OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED, 'nobody asked for it'));
  }

  #open(from: End, kind: ChannelKind, { number, room, message }: Open): void {
    this.#channels.open(from, kind, number, room);
    this.#options.onBegin(kind);
    this.#send[OTHER[from]](message);
  }

  #confirmation(from: End, payload: Buffer): void {
    const reader = new Reader(payload, 1);
    const [recipient, number] = [reader.uint32(), reader.uint32()];
    reader.uint32();
    const message = clamped(payload, reader.offset);
    const { kind } = this.#channels.confirm(from, recipient, number);
    // No request of the client can be here before: only now does it learn the number to send one to.
    if (kind === 'session') this.#tellFacts(number);
    this.#send[OTHER[from]](message);
  }

  #tellFacts(channel: number): void {
    for (const [name, value] of this.#options.sshd?.facts ?? [])
      this.#send.pod(environmentRequest(channel, name, value));
  }
}

type Open = { type: string; number: number; room: number; message: Buffer; fields: Reader };

/** RFC 4254 §5.1; `message` is what to pass on, `room` what the opener takes in one piece. */
function readOpen(payload: Buffer): Open {
  const fields = new Reader(payload, 1);
  const type = fields.name();
  const number = fields.uint32();
  const window = fields.uint32();
  const message = clamped(payload, fields.offset);
  const room = Math.min(window, fields.uint32());
  return { type, number, room, message, fields };
}
