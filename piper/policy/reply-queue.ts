import { SshError } from '../../lib/ssh/errors.ts';

/** No sane peer leaves more requests unanswered at once; a flood ends here instead of in our memory. */
const MOST_WAITING = 256;

/**
 * Replies of SSH carry no number: the order alone says which request they belong to (RFC 4254 §4). So an answer of our
 * own must wait for the replies to the requests that were passed on before it.
 */
export class ReplyQueue {
  /** `undefined`: passed on, the other end will reply; else our own answer, which waits for its turn. */
  readonly #waiting: (Buffer | undefined)[] = [];
  readonly #send: (payload: Buffer) => void;

  constructor(send: (payload: Buffer) => void) {
    this.#send = send;
  }

  /** A request that wants a reply was passed on. */
  passedOn(): void {
    this.#push(undefined);
  }

  /** Answers a request ourselves, when its turn comes. */
  answer(payload: Buffer): void {
    if (this.#waiting.length === 0) this.#send(payload);
    else this.#push(payload);
  }

  /** The other end replied. */
  replied(payload: Buffer): void {
    if (this.#waiting.length === 0) throw new SshError('protocol', 'a reply came to which there is no request');
    this.#waiting.shift();
    this.#send(payload);
    let next = this.#waiting[0];
    while (next !== undefined) {
      this.#waiting.shift();
      this.#send(next);
      next = this.#waiting[0];
    }
  }

  #push(entry: Buffer | undefined): void {
    if (this.#waiting.length >= MOST_WAITING) throw new SshError('protocol', 'too many requests wait for a reply');
    this.#waiting.push(entry);
  }
}
