import type { SessionPolicy } from '../../crds/index.ts';
import { SshError } from '../../lib/ssh/errors.ts';
import { MSG, OPEN_FAILURE } from '../../lib/ssh/numbers.ts';
import { Reader } from '../../lib/ssh/wire.ts';
import { Channels, type ChannelKind } from './channels.ts';
import { channelFailure, clamped, openFailure, recipientOf, REQUEST_FAILURE, typeOf } from './messages.ts';
import { ReplyQueue } from './reply-queue.ts';
import { channelMayAsk, clientMayAsk, mayForwardTo, podMayAsk } from './rules.ts';

/** Far more than a browser opens through `ssh -D`; a flood of opens ends here. */
const MOST_CHANNELS = 256;

export type PolicyFilterOptions = {
  policy: SessionPolicy;
  toClient: (payload: Buffer) => void;
  toPod: (payload: Buffer) => void;
  /** What the client began: `session`, `shell`, `exec`, `subsystem:sftp`, `direct-tcpip`. For the record. */
  onBegin: (what: string) => void;
};

/**
 * Applies a session policy to the messages between client and pod. It reads only those that open something or ask for
 * something; data, windows and the rest pass untouched. What is refused is answered here, with the right numbers and in
 * the right order, and the pod never sees it.
 *
 * A payload is only looked at during the call. A peer that breaks the protocol makes it throw an SshError.
 */
export class PolicyFilter {
  readonly #options: PolicyFilterOptions;
  readonly #channels = new Channels();
  readonly #toClient: ReplyQueue;
  readonly #toPod: ReplyQueue;

  constructor(options: PolicyFilterOptions) {
    this.#options = options;
    this.#toClient = new ReplyQueue(options.toClient);
    this.#toPod = new ReplyQueue(options.toPod);
  }

  fromClient(payload: Buffer): void {
    switch (typeOf(payload)) {
      case MSG.CHANNEL_WINDOW_ADJUST:
      case MSG.CHANNEL_DATA:
      case MSG.CHANNEL_EXTENDED_DATA:
      case MSG.CHANNEL_EOF:
      case MSG.CHANNEL_SUCCESS:
      case MSG.CHANNEL_FAILURE:
        return this.#options.toPod(payload);
      case MSG.CHANNEL_REQUEST:
        return this.#channelRequest(payload);
      case MSG.CHANNEL_OPEN:
        return this.#open(payload);
      case MSG.CHANNEL_CLOSE:
        this.#channels.closeByClient(recipientOf(payload));
        return this.#options.toPod(payload);
      case MSG.GLOBAL_REQUEST:
        return this.#clientGlobal(payload);
      case MSG.REQUEST_SUCCESS:
      case MSG.REQUEST_FAILURE:
        return this.#toPod.replied(payload);
      default:
        // Confirmations too: the pod cannot open anything, so there is nothing to confirm.
        throw new SshError('protocol', `the client sent message ${typeOf(payload)}`);
    }
  }

  fromPod(payload: Buffer): void {
    switch (typeOf(payload)) {
      case MSG.CHANNEL_WINDOW_ADJUST:
      case MSG.CHANNEL_DATA:
      case MSG.CHANNEL_EXTENDED_DATA:
      case MSG.CHANNEL_EOF:
      case MSG.CHANNEL_REQUEST:
        return this.#options.toClient(payload);
      case MSG.CHANNEL_SUCCESS:
      case MSG.CHANNEL_FAILURE:
        return this.#channels.fromPod(recipientOf(payload)).replies.replied(payload);
      case MSG.CHANNEL_OPEN_CONFIRMATION:
        return this.#confirmation(payload);
      case MSG.CHANNEL_OPEN_FAILURE:
        this.#channels.fail(recipientOf(payload));
        return this.#options.toClient(payload);
      case MSG.CHANNEL_CLOSE:
        this.#channels.closeByPod(recipientOf(payload));
        return this.#options.toClient(payload);
      case MSG.CHANNEL_OPEN:
        return this.#podOpen(payload);
      case MSG.GLOBAL_REQUEST:
        return this.#podGlobal(payload);
      case MSG.REQUEST_SUCCESS:
      case MSG.REQUEST_FAILURE:
        return this.#toClient.replied(payload);
      default:
        throw new SshError('protocol', `the pod sent message ${typeOf(payload)}`);
    }
  }

  #open(payload: Buffer): void {
    const reader = new Reader(payload, 1);
    const type = reader.name();
    const client = reader.uint32();
    reader.uint32();
    const message = clamped(payload, reader.offset);
    reader.uint32();
    const refusal = this.#refusalOf(type, reader);
    if (refusal !== undefined) return this.#options.toClient(openFailure(client, ...refusal));
    const kind: ChannelKind = type === 'session' ? 'session' : 'direct-tcpip';
    this.#channels.open(kind, client, this.#options.toClient);
    this.#options.onBegin(kind);
    this.#options.toPod(message);
  }

  /** Why a channel is not opened: reason number and sentence. OpenSSH shows the sentence. */
  #refusalOf(type: string, rest: Reader): [number, string] | undefined {
    const { policy } = this.#options;
    const prohibited = OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED;
    if (this.#channels.size >= MOST_CHANNELS) return [OPEN_FAILURE.RESOURCE_SHORTAGE, 'too many channels are open'];
    if (type === 'session') {
      if (this.#channels.count('session') < policy.maxSessions) return undefined;
      return [prohibited, `no more than ${policy.maxSessions} sessions on one connection`];
    }
    if (type !== 'direct-tcpip') return [prohibited, 'not allowed'];
    return mayForwardTo(policy, rest) ? undefined : [prohibited, 'forwarding there is not allowed'];
  }

  #confirmation(payload: Buffer): void {
    const reader = new Reader(payload, 1);
    const [client, pod] = [reader.uint32(), reader.uint32()];
    reader.uint32();
    const message = clamped(payload, reader.offset);
    this.#channels.confirm(client, pod);
    this.#options.toClient(message);
  }

  #channelRequest(payload: Buffer): void {
    const reader = new Reader(payload, 1);
    const channel = this.#channels.fromClient(reader.uint32());
    const request = reader.name();
    const wantReply = reader.boolean();
    if (!channelMayAsk(this.#options.policy, channel.kind, request, reader)) {
      if (wantReply) channel.replies.answer(channelFailure(channel.client));
      return;
    }
    if (wantReply) channel.replies.passedOn();
    if (request === 'shell' || request === 'exec') this.#options.onBegin(request);
    if (request === 'subsystem') this.#options.onBegin(`subsystem:${reader.string().toString('latin1', 0, 64)}`);
    this.#options.toPod(payload);
  }

  #clientGlobal(payload: Buffer): void {
    const reader = new Reader(payload, 1);
    const name = reader.name();
    const wantReply = reader.boolean();
    if (clientMayAsk(name)) {
      if (wantReply) this.#toClient.passedOn();
      this.#options.toPod(payload);
    } else if (wantReply) this.#toClient.answer(REQUEST_FAILURE);
  }

  /** The pod's own host keys (hostkeys-00@openssh.com) are not ours: the client would complain about bad signatures. */
  #podGlobal(payload: Buffer): void {
    const reader = new Reader(payload, 1);
    const name = reader.name();
    const wantReply = reader.boolean();
    if (podMayAsk(name)) {
      if (wantReply) this.#toPod.passedOn();
      this.#options.toClient(payload);
    } else if (wantReply) this.#toPod.answer(REQUEST_FAILURE);
  }

  /** Nothing that a pod may open exists: no -R, no agent, no X11. */
  #podOpen(payload: Buffer): void {
    const reader = new Reader(payload, 1);
    reader.name();
    const refusal = openFailure(reader.uint32(), OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED, 'not allowed');
    this.#options.toPod(refusal);
  }
}
