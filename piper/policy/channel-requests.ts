import { NO_ACTIVITY, type SessionPolicy } from '../../crds/index.ts';
import { MSG } from '../../lib/ssh/numbers.ts';
import { Reader } from '../../lib/ssh/wire.ts';
import type { Channels, ConfirmedChannel, End } from './channels.ts';
import { type Forced, forcedStart } from './forced-command.ts';
import type { Invitations } from './invitations.ts';
import { channelFailure, execRequest, typeOf } from './messages.ts';
import type { Refusals } from './refusals.ts';
import { objectionToRequest, podMayRequest } from './rules.ts';

export type ChannelRequestsOptions = {
  policy: SessionPolicy;
  send: Readonly<Record<End, (payload: Buffer) => void>>;
  channels: Channels;
  invitations: Invitations;
  refusals: Refusals;
  onBegin: (what: string) => void;
  onNoActivity: (channel: number) => void;
};

type Request = { recipient: number; channel: ConfirmedChannel; name: string; wantReply: boolean; fields: Reader };

/**
 * What runs in place of a command or shell that the policy does not name. OpenSSH drops a connection whose exec fails
 * without a word for its user, and we have no room for one: the windows are counted by the two ends between themselves.
 * The pod has, and what it gets to run is ours. A sidecar that knows the policy refuses this one, too, and says more.
 */
const INSTEAD =
  "echo 'sshaccess: your policy names the commands that you may run, byte for byte, and this is none of them' >&2; exit 126";

/** Requests on channels, of both ends (RFC 4254 §5.4); the replies to them are in order, channel by channel. */
export class ChannelRequests {
  readonly #options: ChannelRequestsOptions;

  constructor(options: ChannelRequestsOptions) {
    this.#options = options;
  }

  fromClient(payload: Buffer): void {
    const { policy, refusals, send } = this.#options;
    const { recipient, channel, name, wantReply, fields } = this.#read('client', payload);
    const asked = { recipient, name, wantReply, fields: new Reader(payload, fields.offset) };
    const forced = channel.kind === 'session' ? forcedStart(policy, asked) : undefined;
    if (typeof forced === 'object') return this.#force(channel, wantReply, forced);
    const objection = forced ?? objectionToRequest(policy, channel.kind, name, asked.fields);
    if (objection !== undefined) refusals.explain(name, objection);
    if (objection === 'commands') {
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

  /** sshd(8), `command=`: the client gets the answer to its own request. */
  #force(channel: ConfirmedChannel, wantReply: boolean, { what, requests }: Forced): void {
    this.#options.onBegin(what);
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
