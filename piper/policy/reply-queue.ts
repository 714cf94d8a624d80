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
  /** Passed on, the other end will reply; or something of ours, which waits for its turn. */
  readonly #waiting: ({ theirs: OnReply } | { ours: () => void })[] = [];
  readonly #send: (payload: Buffer) => void;

  constructor(send: (payload: Buffer) => void) {
    this.#send = send;
  }

  /** A request that wants a reply was passed on. */
  passedOn(onReply: OnReply = () => undefined): void {
    this.#push({ theirs: onReply });
  }

  /** Answers a request ourselves, when its turn comes. */
  answer(payload: Buffer): void {
    this.inTurn(() => this.#send(payload));
  }

  /** Does something when all requests before have their replies. */
  inTurn(act: () => void): void {
    if (this.#waiting.length === 0) act();
    else this.#push({ ours: act });
  }

  /** The other end replied. */
  replied(payload: Buffer): void {
    // Never ours: that does not stay at the head.
    const head = this.#waiting.shift();
    if (head === undefined || 'ours' in head)
      throw new SshError('protocol', 'a reply came to which there is no request');
    head.theirs(payload);
    this.#send(payload);
    for (let next = this.#waiting[0]; next !== undefined && 'ours' in next; next = this.#waiting[0]) {
      this.#waiting.shift();
      next.ours();
    }
  }

  #push(entry: { theirs: OnReply } | { ours: () => void }): void {
    if (this.#waiting.length >= MOST_WAITING) throw new SshError('protocol', 'too many requests wait for a reply');
    this.#waiting.push(entry);
  }
}
