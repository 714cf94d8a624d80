import { NO_ACTIVITY } from '../../crds/index.ts';
import { MSG } from '../../lib/ssh/numbers.ts';
import { Reader } from '../../lib/ssh/wire.ts';
import type { Channels, ConfirmedChannel, End } from './channels.ts';
import { type Forced, forcedStart, STARTS } from './forced-command.ts';
import type { Invitations } from './invitations.ts';
import { channelFailure, channelSuccess, endOfProgram, execRequest, typeOf } from './messages.ts';
import type { Refusals } from './refusals.ts';
import { type Objection, objectionToRequest, podMayRequest } from './rules.ts';
import type { Bounds } from './sshd.ts';

export type ChannelRequestsOptions = {
  bounds: Bounds;
  send: Readonly<Record<End, (payload: Buffer) => void>>;
  channels: Channels;
  invitations: Invitations;
  refusals: Refusals;
  onBegin: (what: string) => void;
  onNoActivity: (channel: number) => void;
};

type Request = { recipient: number; channel: ConfirmedChannel; name: string; wantReply: boolean; fields: Reader };

/**
 * What runs in place of a command or shell that the policy does not name: OpenSSH drops a connection whose exec fails
 * without a word for its user. A sidecar that knows the policy refuses this one, too, says more, and has it on record.
 */
const INSTEAD =
  "echo 'sshaccess: your policy names the commands that you may run, byte for byte, and this is none of them' >&2; exit 126";
/** Their answer has no room for words, and a program would have been there to say them. */
const INSTEAD_OF_PROGRAM: ReadonlySet<Objection> = new Set<Objection>(['commands', 'sftp.paths', 'sftp.access']);
/** What a shell exits with that may not run a program. */
const NOT_PERMITTED = 126;

/** Requests on channels, of both ends (RFC 4254 §5.4); the replies to them are in order, channel by channel. */
export class ChannelRequests {
  readonly #options: ChannelRequestsOptions;

  constructor(options: ChannelRequestsOptions) {
    this.#options = options;
  }

  fromClient(payload: Buffer): void {
    const { bounds, refusals, send } = this.#options;
    const { recipient, channel, name, wantReply, fields } = this.#read('client', payload);
    if (channel.isOverForClient) return;
    const asked = { recipient, name, wantReply, fields: new Reader(payload, fields.offset) };
    const forced = channel.kind === 'session' ? forcedStart(bounds, asked) : undefined;
    if (typeof forced === 'object') return this.#force(channel, wantReply, forced);
    const objection = forced ?? objectionToRequest(bounds, channel.kind, name, asked.fields);
    if (objection !== undefined) refusals.explain(name, objection);
    if (objection !== undefined && INSTEAD_OF_PROGRAM.has(objection)) {
      if (bounds.sshd !== undefined)
        return channel.replies.client.inTurn(() => this.#endInstead(channel, wantReply, refusals.sentence(objection)));
      if (wantReply) channel.replies.client.passedOn();
      return send.pod(execRequest(recipient, wantReply, INSTEAD));
    }
    if (objection !== undefined) return refuse('client', channel, wantReply);
    const grant = this.#begin(channel, name, fields);
    // Without a reply nobody says no: what passes is granted.
    if (!wantReply) grant?.();
    else channel.replies.client.passedOn((reply) => void (typeOf(reply) === MSG.CHANNEL_SUCCESS && grant?.()));
    send.pod(payload);
  }

  /**
   * Ends a session in the pod's place, as a program does that refuses. Whatever an sshd was asked to run in its stead,
   * a ForceCommand of the image could make something else of it. On a session on which nothing has begun no data has
   * passed, so the client's window is whole, and the pod's count of it never matters.
   */
  #endInstead(channel: ConfirmedChannel, wantReply: boolean, sentence: string): void {
    if (channel.isOverForClient || channel.closed.client || channel.closed.pod) return;
    const { client } = channel.numbers;
    // It would go on in the pod, and count no more against maxSessions.
    if (channel.hasProgram) {
      if (wantReply) this.#options.send.client(channelFailure(client));
      return;
    }
    channel.isOverForClient = true;
    if (wantReply) this.#options.send.client(channelSuccess(client));
    for (const message of endOfProgram(client, `sshaccess: ${sentence}`, NOT_PERMITTED, channel.room))
      this.#options.send.client(message);
  }

  /** sshd(8), `command=`: the client gets the answer to its own request. */
  #force(channel: ConfirmedChannel, wantReply: boolean, { what, requests }: Forced): void {
    this.#options.onBegin(what);
    channel.hasProgram = true;
    if (wantReply) channel.replies.client.passedOn();
    for (const request of requests) this.#options.send.pod(request);
  }

  fromPod(payload: Buffer): void {
    const { recipient, channel, name, wantReply } = this.#read('pod', payload);
    if (name === NO_ACTIVITY) this.#options.onNoActivity(recipient);
    if (!podMayRequest(channel.kind, name)) return refuse('pod', channel, wantReply);
    if (wantReply) channel.replies.pod.passedOn();
    this.#options.send.client(payload);
  }

  #read(from: End, payload: Buffer): Request {
    const fields = new Reader(payload, 1);
    const recipient = fields.uint32();
    const channel = this.#options.channels.addressed(from, recipient);
    return { recipient, channel, name: fields.name(), wantReply: fields.boolean(), fields };
  }

  /** @returns what the client lets the pod do when its request has succeeded, if anything */
  #begin(channel: ConfirmedChannel, name: string, fields: Reader): (() => void) | undefined {
    const { invitations, onBegin } = this.#options;
    if (STARTS.has(name)) channel.hasProgram = true;
    switch (name) {
      case 'shell':
      case 'exec':
        onBegin(name);
        return undefined;
      case 'subsystem':
        onBegin(`${name}:${fields.string().toString('latin1')}`);
        return undefined;
      case 'auth-agent-req@openssh.com':
        return () => invitations.inviteAgent();
      case 'x11-req': {
        // RFC 4254 §6.3.1: the first field is "single connection".
        const x11 = fields.boolean() ? 'single' : 'any';
        return () => void (channel.x11 = x11);
      }
      default:
        return undefined;
    }
  }
}

function refuse(asker: End, channel: ConfirmedChannel, wantReply: boolean): void {
  if (wantReply) channel.replies[asker].answer(channelFailure(channel.numbers[asker]));
}
