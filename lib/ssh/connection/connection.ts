import { SshError } from '../errors.ts';
import { MSG } from '../numbers.ts';
import { Reader, Writer } from '../wire.ts';
import { type Answer, OrderedAnswers } from './answers.ts';
import { Channel, type ChannelEvents } from './channel.ts';
import {
  type ChannelOpen,
  openConfirmation,
  openFailure,
  openMessage,
  openProblem,
  type ParsedOpen,
  readChannelOpen,
} from './channel-open.ts';
import type { Link } from './link.ts';
import { MAX_UNREAD_REPLIES, MIN_REMOTE_MAX_PACKET, RECEIVE_MAX_PACKET, RECEIVE_WINDOW } from './limits.ts';
import { PendingReplies } from './replies.ts';

export type ConnectionOptions = {
  link: Link;
  /** Channels of all types at once, those whose opening is under way included. */
  maxChannels: number;
  onChannelOpen: (open: ChannelOpen) => void;
  /**
   * True, or the data of the reply: REQUEST_SUCCESS, where a reply is wanted. Replies keep the order of the requests.
   * The fields are valid only during the call.
   */
  onGlobalRequest: (name: string, fields: Reader) => boolean | Promise<Answer>;
};

type Opening = {
  events: (channel: Channel) => ChannelEvents;
  settle: (channel: Channel | SshError) => void;
  window: number;
};

/**
 * The connection protocol (RFC 4254) over an authenticated transport: channels, their windows, and requests in order.
 * Its owner passes it each message from 80 on, tells it when the link has drained, and closes it with the transport.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #link: Link;
  readonly #channels = new Map<number, Channel>();
  readonly #openings = new Map<number, Opening>();
  readonly #replies = new PendingReplies();
  readonly #answers = new OrderedAnswers((answer) => this.#answer(answer));
  #pendingOpens = 0;
  #unreadReplies = 0;
  #paused = false;
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#link = options.link;
  }

  get channelCount(): number {
    return this.#channels.size;
  }

  /** Handles one message. @throws SshError where the peer broke a rule: the connection must then end. */
  receive(payload: Buffer): void {
    if (this.#closed) return;
    const fields = new Reader(payload, 1);
    const type = payload[0] ?? 0;
    if (type >= MSG.CHANNEL_WINDOW_ADJUST && type <= MSG.CHANNEL_FAILURE) this.#receiveForChannel(type, fields);
    else this.#receiveOther(type, fields);
  }

  /** The socket below has room again. */
  drained(): void {
    if (this.#closed) return;
    this.#unreadReplies = 0;
    if (this.#paused) {
      this.#paused = false;
      this.#link.resume();
    }
    this.#flushWaiting();
  }

  /** The connection is over: every channel is gone and every request failed. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#replies.abandon();
    for (const { settle } of this.#openings.values()) settle(new SshError('closed', 'the connection ended'));
    this.#openings.clear();
    for (const channel of this.#channels.values()) channel.gone();
    this.#channels.clear();
  }

  /** Opens a channel of ours. Rejects where the peer refuses it. */
  open(
    type: string,
    fields: Uint8Array,
    events: (channel: Channel) => ChannelEvents,
    window = RECEIVE_WINDOW,
  ): Promise<Channel> {
    if (this.#closed) return Promise.reject(new SshError('closed', 'the connection ended'));
    const local = this.#freeNumber();
    const message = openMessage(type, { local, window, maxPacket: RECEIVE_MAX_PACKET });
    return new Promise((resolve, reject) => {
      const settle = (result: Channel | SshError): void =>
        result instanceof SshError ? reject(result) : resolve(result);
      this.#openings.set(local, { events, settle, window });
      this.#link.transport.send(message.raw(fields).bytes());
    });
  }

  /** Sends a global request and resolves with the peer's answer; false also where the connection ends before it. */
  request(name: string, fields: Uint8Array): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false);
    const message = new Writer().byte(MSG.GLOBAL_REQUEST).string(name).boolean(true);
    this.#link.transport.send(message.raw(fields).bytes());
    return this.#replies.expect();
  }

  #receiveForChannel(type: number, fields: Reader): void {
    const id = fields.uint32();
    const channel = this.#channels.get(id);
    if (channel === undefined) throw new SshError('protocol', 'a message came for a channel that does not exist');
    const isLast = channel.receive(type, fields);
    if (type === MSG.CHANNEL_REQUEST) this.#replied();
    if (!isLast) return;
    this.#channels.delete(id);
    channel.gone();
  }

  #receiveOther(type: number, fields: Reader): void {
    switch (type) {
      case MSG.GLOBAL_REQUEST:
        return this.#receiveGlobalRequest(fields);
      case MSG.REQUEST_SUCCESS:
      case MSG.REQUEST_FAILURE:
        return this.#replies.settle(type === MSG.REQUEST_SUCCESS);
      case MSG.CHANNEL_OPEN:
        return this.#receiveOpen(readChannelOpen(fields));
      case MSG.CHANNEL_OPEN_CONFIRMATION:
        return this.#receiveConfirmation(fields);
      case MSG.CHANNEL_OPEN_FAILURE:
        return this.#receiveFailure(fields);
      default:
        this.#link.transport.unimplemented();
        return this.#replied();
    }
  }

  #receiveGlobalRequest(fields: Reader): void {
    const name = fields.name();
    const wantReply = fields.boolean();
    this.#answers.add(this.#options.onGlobalRequest(name, fields), wantReply);
  }

  #answer(answer: Answer): void {
    if (this.#closed) return;
    const type = answer === false ? MSG.REQUEST_FAILURE : MSG.REQUEST_SUCCESS;
    this.#reply(
      new Writer()
        .byte(type)
        .raw(Buffer.isBuffer(answer) ? answer : Buffer.alloc(0))
        .bytes(),
    );
  }

  #receiveOpen(open: ParsedOpen): void {
    const used = this.#channels.size + this.#openings.size + this.#pendingOpens;
    const problem = openProblem(open, used < this.#options.maxChannels);
    if (problem !== undefined) return this.#reply(openFailure(open.remote, problem.reason, problem.description));
    this.#pendingOpens++;
    this.#options.onChannelOpen(this.#answerable(open));
  }

  #answerable(open: ParsedOpen): ChannelOpen {
    let settled = false;
    const isSettled = (): boolean => settled || this.#closed;
    const settle = (answer: () => void): void => {
      if (isSettled()) return;
      settled = true;
      this.#pendingOpens--;
      answer();
    };
    return {
      type: open.type,
      fields: open.fields,
      get settled() {
        return isSettled();
      },
      accept: (events, window = RECEIVE_WINDOW) => settle(() => this.#accept(open, events, window)),
      refuse: (reason, description) => settle(() => this.#reply(openFailure(open.remote, reason, description))),
    };
  }

  #accept(open: ParsedOpen, events: (channel: Channel) => ChannelEvents, window: number): void {
    const local = this.#freeNumber();
    const channel = new Channel(this.#link, { ...open, local }, window);
    this.#channels.set(local, channel);
    this.#reply(openConfirmation(open.remote, { local, window, maxPacket: RECEIVE_MAX_PACKET }));
    channel.listen(events(channel));
  }

  #receiveConfirmation(fields: Reader): void {
    const local = fields.uint32();
    const opening = this.#takeOpening(local);
    const numbers = { local, remote: fields.uint32(), window: fields.uint32(), maxPacket: fields.uint32() };
    if (numbers.maxPacket < MIN_REMOTE_MAX_PACKET)
      throw new SshError('protocol', 'the maximum packet size is too small');
    const channel = new Channel(this.#link, numbers, opening.window);
    this.#channels.set(local, channel);
    channel.listen(opening.events(channel));
    opening.settle(channel);
  }

  #receiveFailure(fields: Reader): void {
    const opening = this.#takeOpening(fields.uint32());
    const reason = fields.uint32();
    opening.settle(new SshError('refused', `channel refused (${reason}): ${fields.utf8()}`));
  }

  #takeOpening(local: number): Opening {
    const opening = this.#openings.get(local);
    if (opening === undefined) throw new SshError('protocol', 'an answer came to no channel opening');
    this.#openings.delete(local);
    return opening;
  }

  #reply(message: Buffer): void {
    this.#link.transport.send(message);
    this.#replied();
  }

  // A peer that asks and asks without reading the answers is not read from until it does. Channel data alone never
  // stops our reading: both sides would wait for each other.
  #replied(): void {
    if (!this.#link.blocked) {
      this.#unreadReplies = 0;
      return;
    }
    this.#unreadReplies += 64;
    if (this.#paused || this.#unreadReplies < MAX_UNREAD_REPLIES) return;
    this.#paused = true;
    this.#link.pause();
  }

  // One channel may fill the socket each time: it then goes behind the others.
  #flushWaiting(): void {
    for (const [id, channel] of this.#channels) {
      if (this.#link.blocked) return;
      if (!channel.waiting) continue;
      channel.flush();
      if (!this.#link.blocked) continue;
      this.#channels.delete(id);
      this.#channels.set(id, channel);
      return;
    }
  }

  #freeNumber(): number {
    let number = 0;
    while (this.#channels.has(number) || this.#openings.has(number)) number++;
    return number;
  }
}
