import { SshError } from '../../lib/ssh/errors.ts';
import { ReplyQueue } from './reply-queue.ts';

export type ChannelKind = 'session' | 'direct-tcpip';

export type Channel = {
  kind: ChannelKind;
  /** The client's number: the recipient of what the pod sends. */
  client: number;
  /** The pod's number: the recipient of what the client sends; unknown until the pod confirms. */
  pod: number | undefined;
  /** Replies to this channel's requests, in order. */
  replies: ReplyQueue;
  closedByClient: boolean;
  closedByPod: boolean;
};

/**
 * The channels that the client has open, as little of them as policy needs: how many, and which number of the pod's
 * belongs to which of the client's. Windows and data are the two ends' own affair.
 */
export class Channels {
  readonly #byClient = new Map<number, Channel>();
  readonly #byPod = new Map<number, Channel>();

  get size(): number {
    return this.#byClient.size;
  }

  count(kind: ChannelKind): number {
    let count = 0;
    for (const channel of this.#byClient.values()) if (channel.kind === kind) count++;
    return count;
  }

  /** The client asks for a channel. A number in use would make every later answer ambiguous. */
  open(kind: ChannelKind, client: number, send: (payload: Buffer) => void): void {
    if (this.#byClient.has(client)) throw violation('a channel number is opened twice');
    const replies = new ReplyQueue(send);
    this.#byClient.set(client, { kind, client, pod: undefined, replies, closedByClient: false, closedByPod: false });
  }

  confirm(client: number, pod: number): void {
    const channel = this.#byClient.get(client);
    if (channel === undefined || channel.pod !== undefined)
      throw violation('a channel is confirmed that nobody opened');
    if (this.#byPod.has(pod)) throw violation('a channel number is confirmed twice');
    channel.pod = pod;
    this.#byPod.set(pod, channel);
  }

  fail(client: number): void {
    const channel = this.#byClient.get(client);
    if (channel === undefined || channel.pod !== undefined) throw violation('a channel fails that nobody opened');
    this.#byClient.delete(client);
  }

  /** The channel that a message from the client is for. */
  fromClient(recipient: number): Channel {
    const channel = this.#byPod.get(recipient);
    if (channel === undefined || channel.closedByClient) throw violation('a message is for no open channel');
    return channel;
  }

  /** The channel that a message from the pod is for. */
  fromPod(recipient: number): Channel {
    const channel = this.#byClient.get(recipient);
    if (channel?.pod === undefined || channel.closedByPod) throw violation('a message is for no open channel');
    return channel;
  }

  closeByClient(recipient: number): void {
    const channel = this.fromClient(recipient);
    channel.closedByClient = true;
    this.#forget(channel);
  }

  closeByPod(recipient: number): void {
    const channel = this.fromPod(recipient);
    channel.closedByPod = true;
    this.#forget(channel);
  }

  /** RFC 4254 §5.3: a number is free again when both sides have closed. */
  #forget(channel: Channel): void {
    if (!channel.closedByClient || !channel.closedByPod || channel.pod === undefined) return;
    this.#byClient.delete(channel.client);
    this.#byPod.delete(channel.pod);
  }
}

function violation(message: string): SshError {
  return new SshError('protocol', message);
}
