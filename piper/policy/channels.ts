import { SshError } from '../../lib/ssh/errors.ts';
import { ReplyQueue } from './reply-queue.ts';

/** The two ends between which channels are; both may open them. */
export type End = 'client' | 'pod';
export const OTHER = { client: 'pod', pod: 'client' } as const satisfies Record<End, End>;

export type ChannelKind =
  | 'session'
  | 'direct-tcpip'
  | 'direct-streamlocal@openssh.com'
  | 'forwarded-tcpip'
  | 'forwarded-streamlocal@openssh.com'
  | 'auth-agent@openssh.com'
  | 'x11';

export type Channel = {
  readonly kind: ChannelKind;
  readonly opener: End;
  /** Each end's own number of it, by which the other addresses it; unknown for whom has not confirmed yet. */
  readonly numbers: Record<End, number | undefined>;
  /** Replies on their way to each end, in the order of its requests. */
  readonly replies: Readonly<Record<End, ReplyQueue>>;
  /** Who has closed it. */
  readonly closed: Record<End, boolean>;
  /** Bytes that the opener takes in one piece at the beginning: its window, or its largest packet. */
  readonly room: number;
  /** A session on which a program was asked for that may run; there is one at most (RFC 4254 §6.5). */
  hasProgram: boolean;
  /** To the client it is over: we said so in the pod's place, which knows nothing of it. */
  isOverForClient: boolean;
  /** What the pod may open because of an x11-req on this session: no X11 channel, one, or any number. */
  x11: 'none' | 'single' | 'any';
};

/** One that both ends have given a number. */
export type ConfirmedChannel = Channel & { readonly numbers: Record<End, number> };

/**
 * The channels that are open, as little of them as policy needs: how many of which kind, and which number of the one
 * end belongs to which of the other. Windows and data are the two ends' own affair.
 */
export class Channels {
  /** By the number of each end. */
  readonly #by: Readonly<Record<End, Map<number, Channel>>> = { client: new Map(), pod: new Map() };
  readonly #all = new Set<Channel>();
  /** The client's numbers of channels that both have closed for the client, until the pod closes them, too. */
  readonly #lingering = new Set<number>();
  readonly #send: Readonly<Record<End, (payload: Buffer) => void>>;
  #sessions = 0;

  /** @param send how replies get to each end */
  constructor(send: Readonly<Record<End, (payload: Buffer) => void>>) {
    this.#send = send;
  }

  get size(): number {
    return this.#all.size + this.#lingering.size;
  }

  get sessions(): number {
    return this.#sessions;
  }

  /** An end asks for a channel. A number in use would make every later answer ambiguous. */
  open(opener: End, kind: ChannelKind, number: number, room: number): void {
    if (this.#by[opener].has(number)) throw violation('a channel number is opened twice');
    const channel: Channel = {
      kind,
      opener,
      numbers: { client: undefined, pod: undefined, [opener]: number },
      replies: { client: new ReplyQueue(this.#send.client), pod: new ReplyQueue(this.#send.pod) },
      closed: { client: false, pod: false },
      room,
      hasProgram: false,
      isOverForClient: false,
      x11: 'none',
    };
    this.#by[opener].set(number, channel);
    this.#all.add(channel);
    if (kind === 'session') this.#sessions++;
  }

  /** `from` agrees to the channel whose number at the other end is `recipient`, and gives it a number of its own. */
  confirm(from: End, recipient: number, number: number): Channel {
    const channel = this.#opening(from, recipient);
    if (this.#by[from].has(number)) throw violation('a channel number is confirmed twice');
    channel.numbers[from] = number;
    this.#by[from].set(number, channel);
    return channel;
  }

  /** `from` does not agree. */
  fail(from: End, recipient: number): void {
    this.#forget(this.#opening(from, recipient));
  }

  /** The channel that a message from `from` is for. */
  addressed(from: End, recipient: number): ConfirmedChannel {
    const channel = this.#by[OTHER[from]].get(recipient);
    if (channel === undefined || !isConfirmed(channel) || channel.closed[from])
      throw violation('a message is for no open channel');
    return channel;
  }

  /**
   * RFC 4254 §5.3: the numbers are free again when both ends have closed.
   * @returns whether the other end is to know, and does not yet
   */
  close(from: End, recipient: number): boolean {
    if (from === 'pod' && this.#lingering.delete(recipient)) return false;
    const channel = this.addressed(from, recipient);
    channel.closed[from] = true;
    if (channel.closed[OTHER[from]]) this.#forget(channel);
    else if (from === 'client' && channel.isOverForClient) this.#linger(channel);
    return from === 'client' || !channel.isOverForClient;
  }

  /** Nothing that the pod still says on it is for the client; it is the number of none any more, or of another one. */
  isOverForClient(recipient: number): boolean {
    return this.#lingering.has(recipient) || this.#by.client.get(recipient)?.isOverForClient === true;
  }

  /** Takes what an x11-req has granted on a session that nobody has closed. */
  takeX11(): boolean {
    let single: Channel | undefined;
    for (const channel of this.#all) {
      if (channel.closed.client || channel.closed.pod || channel.isOverForClient) continue;
      if (channel.x11 === 'any') return true;
      if (channel.x11 === 'single') single = channel;
    }
    if (single === undefined) return false;
    single.x11 = 'none';
    return true;
  }

  /** The channel that the other end has asked `from` for. */
  #opening(from: End, recipient: number): Channel {
    const channel = this.#by[OTHER[from]].get(recipient);
    if (channel === undefined || channel.opener === from || channel.numbers[from] !== undefined)
      throw violation('an answer is to no channel that was asked for');
    return channel;
  }

  /** The client may use the number again, and all that the pod says before its CLOSE is still about the old channel. */
  #linger(channel: Channel): void {
    if (channel.numbers.client !== undefined) this.#lingering.add(channel.numbers.client);
    this.#forget(channel);
  }

  #forget(channel: Channel): void {
    const { client, pod } = channel.numbers;
    if (client !== undefined) this.#by.client.delete(client);
    if (pod !== undefined) this.#by.pod.delete(pod);
    this.#all.delete(channel);
    if (channel.kind === 'session') this.#sessions--;
  }
}

function isConfirmed(channel: Channel): channel is ConfirmedChannel {
  return channel.numbers.client !== undefined && channel.numbers.pod !== undefined;
}

function violation(message: string): SshError {
  return new SshError('protocol', message);
}
