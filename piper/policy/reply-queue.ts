import { SshError } from '../../lib/ssh/errors.ts';

/** No sane peer leaves more requests unanswered at once; a flood ends here instead of in our memory. */
const MOST_WAITING = 256;

/** Learns from a reply what came of the request, before the reply is sent on. */
export type OnReply = (reply: Buffer) => void;

/**
 * Replies of SSH carry no number: the order alone says which request they belong to (RFC 4254 §4). So an answer of our
 * own must wait for the replies to the requests that were passed on before it.
 */
export class ReplyQueue {
  /** A function: passed on, the other end will reply; else our own answer, which waits for its turn. */
  readonly #waiting: (Buffer | OnReply)[] = [];
  readonly #send: (payload: Buffer) => void;

  constructor(send: (payload: Buffer) => void) {
    this.#send = send;
  }

  /** A request that wants a reply was passed on. */
  passedOn(onReply: OnReply = () => undefined): void {
    this.#push(onReply);
  }

  /** Answers a request ourselves, when its turn comes. */
  answer(payload: Buffer): void {
    if (this.#waiting.length === 0) this.#send(payload);
    else this.#push(payload);
  }

  /** The other end replied. */
  replied(payload: Buffer): void {
    // Never a Buffer: an answer of ours does not stay at the head.
    const onReply = this.#waiting.shift();
    if (typeof onReply !== 'function') throw new SshError('protocol', 'a reply came to which there is no request');
    onReply(payload);
    this.#send(payload);
    for (let next = this.#waiting[0]; Buffer.isBuffer(next); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#send(next);
    }
  }

  #push(entry: Buffer | OnReply): void {
    if (this.#waiting.length >= MOST_WAITING) throw new SshError('protocol', 'too many requests wait for a reply');
    this.#waiting.push(entry);
  }
}
