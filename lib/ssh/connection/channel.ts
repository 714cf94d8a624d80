import { SshError } from '../errors.ts';
import { EXTENDED_DATA_STDERR, MSG } from '../numbers.ts';
import { type Reader, Writer } from '../wire.ts';
import { type Answer, OrderedAnswers } from './answers.ts';
import type { ChannelRequest } from './channel-requests.ts';
import type { Link } from './link.ts';
import { ReceiveWindow } from './receive-window.ts';
import { PendingReplies } from './replies.ts';
import { SendQueue } from './send-queue.ts';

/** What a channel's owner hears. All are called synchronously, in the order in which the messages came. */
export type ChannelEvents = {
  /**
   * A view that is valid only during the call. The owner calls `channel.taken(data.length)` when it has disposed of
   * the data: that opens the window again.
   */
  onData: (data: Buffer) => void;
  /** As `onData`, but taken when it returns. Who does not listen has it counted and dropped. */
  onStderr?: (data: Buffer) => void;
  /** The peer sends no more data. */
  onEof: () => void;
  /** True: done. Replies, where they are wanted, keep the order of the requests, whatever time each takes. */
  onRequest: (request: ChannelRequest) => boolean | Promise<boolean>;
  /** `write` returned false; now all of it has been sent. */
  onWritable: () => void;
  /** The peer takes no more data (`eow@openssh.com`). */
  onEndOfWrite?: () => void;
  /** The channel is gone: closed by both sides, or with its connection. The last event. */
  onClose: () => void;
};

export type ChannelNumbers = { local: number; remote: number; window: number; maxPacket: number };

/** One channel of a connection (RFC 4254 §5), either side's. Made by `Connection`. */
export class Channel {
  readonly id: number;
  readonly #link: Link;
  readonly #remoteId: number;
  readonly #receiveWindow: ReceiveWindow;
  readonly #sendQueue: SendQueue;
  readonly #replies = new PendingReplies();
  readonly #answers = new OrderedAnswers((answer) => this.#sendAnswer(answer));
  #events: ChannelEvents | undefined;
  #sentEof = false;
  #sentClose = false;
  #closing = false;
  #receivedEof = false;
  #discarding = false;
  #peerTakesNoData = false;
  #needsWritable = false;

  constructor(link: Link, numbers: ChannelNumbers, receiveWindow: number) {
    this.id = numbers.local;
    this.#link = link;
    this.#remoteId = numbers.remote;
    this.#receiveWindow = new ReceiveWindow(receiveWindow);
    this.#sendQueue = new SendQueue(link, numbers.remote, numbers);
  }

  /** No more is to be sent on this channel, or it is gone. */
  get closing(): boolean {
    return this.#closing;
  }

  /** Something waits for the peer's window or for the socket. */
  get waiting(): boolean {
    return !this.#sendQueue.isEmpty;
  }

  listen(events: ChannelEvents): void {
    this.#events = events;
  }

  /**
   * Sends data, as much as may be sent now and the rest later.
   * Returns false where something is left: write no more until `onWritable`, for that is what bounds memory.
   */
  write(data: Uint8Array, stderr = false): boolean {
    if (this.#closing || this.#sentEof || this.#peerTakesNoData) return true;
    this.#sendQueue.data(data, stderr);
    this.#sendQueue.flush();
    this.#needsWritable = this.waiting;
    return !this.#needsWritable;
  }

  /** RFC 4254 §5.3: no more data from us. Goes behind the data. */
  eof(): void {
    if (this.#closing || this.#sentEof) return;
    this.#sentEof = true;
    this.#enqueue(this.#message(MSG.CHANNEL_EOF).bytes());
  }

  /** Sends a request that wants no reply; goes behind the data. */
  notify(type: string, fields: Uint8Array): void {
    if (this.#closing) return;
    this.#enqueue(this.#request(type, false, fields));
  }

  /** Sends a request and resolves with the peer's answer; false also where the channel is gone before it. */
  request(type: string, fields: Uint8Array): Promise<boolean> {
    if (this.#closing) return Promise.resolve(false);
    this.#enqueue(this.#request(type, true, fields));
    return this.#replies.expect();
  }

  /** The owner has disposed of `length` bytes of received data: the peer may send as many again. */
  taken(length: number): void {
    const adjustment = this.#receiveWindow.take(length);
    if (adjustment === 0 || this.#receivedEof || this.#sentClose) return;
    this.#link.transport.send(this.#message(MSG.CHANNEL_WINDOW_ADJUST).uint32(adjustment).bytes());
  }

  /** The owner takes no more data: what still comes is dropped, and the peer told so. */
  discard(): void {
    if (this.#discarding) return;
    this.#discarding = true;
    if (!this.#receivedEof) this.notify('eow@openssh.com', Buffer.alloc(0));
  }

  /** RFC 4254 §5.3: closes behind everything that waits to be sent. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#sendQueue.message(this.#message(MSG.CHANNEL_CLOSE).bytes());
    this.flush();
  }

  /** Closes at once; what waits to be sent is dropped. */
  abort(): void {
    if (this.#sentClose) return;
    this.#sendQueue.clear();
    this.#closing = false;
    this.close();
  }

  /** The window or the socket has opened. */
  flush(): void {
    this.#sendQueue.flush();
    if (this.waiting) return;
    this.#sentClose = this.#closing;
    if (!this.#needsWritable) return;
    this.#needsWritable = false;
    this.#events?.onWritable();
  }

  /** Handles a message for this channel; returns true where it was the last one. */
  receive(type: number, fields: Reader): boolean {
    switch (type) {
      case MSG.CHANNEL_DATA:
        this.#receiveData(fields);
        return false;
      case MSG.CHANNEL_EXTENDED_DATA:
        this.#receiveExtendedData(fields);
        return false;
      case MSG.CHANNEL_WINDOW_ADJUST:
        this.#receiveAdjustment(fields);
        return false;
      case MSG.CHANNEL_EOF:
        this.#receiveEof(fields);
        return false;
      case MSG.CHANNEL_REQUEST:
        this.#receiveRequest(fields);
        return false;
      case MSG.CHANNEL_CLOSE:
        this.#receiveClose(fields);
        return true;
      default:
        fields.end();
        this.#replies.settle(type === MSG.CHANNEL_SUCCESS);
        return false;
    }
  }

  /** The channel is gone; called once, by the connection. */
  gone(): void {
    this.#closing = true;
    this.#sentClose = true;
    this.#sendQueue.clear();
    this.#replies.abandon();
    this.#events?.onClose();
  }

  #receiveData(fields: Reader): void {
    const data = fields.string();
    fields.end();
    this.#countData(data);
    if (this.#discarding || this.#closing) this.taken(data.length);
    else this.#events?.onData(data);
  }

  #receiveExtendedData(fields: Reader): void {
    const type = fields.uint32();
    const data = fields.string();
    fields.end();
    this.#countData(data);
    if (type === EXTENDED_DATA_STDERR && !this.#closing) this.#events?.onStderr?.(data);
    this.taken(data.length);
  }

  #countData(data: Buffer): void {
    if (this.#receivedEof) throw new SshError('protocol', 'channel data came after EOF');
    this.#receiveWindow.receive(data.length);
  }

  #receiveAdjustment(fields: Reader): void {
    this.#sendQueue.adjust(fields.uint32());
    fields.end();
    if (!this.#sentClose) this.flush();
  }

  #receiveEof(fields: Reader): void {
    fields.end();
    // x/crypto/ssh sends one for each CloseWrite, so a second one is no offence.
    if (this.#receivedEof) return;
    this.#receivedEof = true;
    if (!this.#closing) this.#events?.onEof();
  }

  #receiveRequest(fields: Reader): void {
    const type = fields.name();
    const wantReply = fields.boolean();
    this.#answers.add(!this.#closing && this.#answer({ type, fields }), wantReply);
  }

  #sendAnswer(answer: Answer): void {
    // RFC 4254 §5.3: nothing is sent on a channel after CLOSE, not even a reply.
    if (this.#sentClose) return;
    this.#link.transport.send(this.#message(answer === false ? MSG.CHANNEL_FAILURE : MSG.CHANNEL_SUCCESS).bytes());
  }

  #answer(request: ChannelRequest): boolean | Promise<boolean> {
    if (request.type !== 'eow@openssh.com') return this.#events?.onRequest(request) ?? false;
    request.fields.end();
    this.#peerTakesNoData = true;
    this.#sendQueue.dropData();
    this.flush();
    this.#events?.onEndOfWrite?.();
    return true;
  }

  #receiveClose(fields: Reader): void {
    fields.end();
    this.#receivedEof = true;
    this.abort();
  }

  #enqueue(message: Uint8Array): void {
    this.#sendQueue.message(message);
    this.#sendQueue.flush();
  }

  #message(type: number): Writer {
    return new Writer(16).byte(type).uint32(this.#remoteId);
  }

  #request(type: string, wantReply: boolean, fields: Uint8Array): Buffer {
    return this.#message(MSG.CHANNEL_REQUEST).string(type).boolean(wantReply).raw(fields).bytes();
  }
}
