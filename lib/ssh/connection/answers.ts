import { SshError } from '../errors.ts';
import { MAX_PENDING_REQUESTS } from './limits.ts';

/** The answer to a request: no, yes, or yes with the data that RFC 4254 §7.1 gives to a reply. */
export type Answer = boolean | Buffer;

type Waiting = { wanted: boolean; answer: Answer | undefined };

/**
 * Answers of ours to requests of the peer. They carry no number, so they leave in the order in which the requests came
 * (RFC 4254 §4 and §5.4): what is answered at once waits for what takes its time.
 */
export class OrderedAnswers {
  readonly #send: (answer: Answer) => void;
  readonly #waiting: Waiting[] = [];

  constructor(send: (answer: Answer) => void) {
    this.#send = send;
  }

  /** A promise that is rejected refuses. @throws SshError where too many requests wait at once. */
  add(answer: Answer | Promise<Answer>, wanted: boolean): void {
    if (!(answer instanceof Promise)) return this.#addSettled(answer, wanted);
    // One that wants no reply counts too: what it asks for is being worked on.
    const entry = this.#push({ wanted, answer: undefined });
    const settle = (value: Answer): void => {
      entry.answer = value;
      this.#flush();
    };
    answer.then(settle, () => settle(false));
  }

  #addSettled(answer: Answer, wanted: boolean): void {
    if (!wanted) return;
    if (this.#waiting.length === 0) this.#send(answer);
    else this.#push({ wanted, answer });
  }

  #push(entry: Waiting): Waiting {
    if (this.#waiting.length >= MAX_PENDING_REQUESTS)
      throw new SshError('protocol', 'too many requests wait for their answer');
    this.#waiting.push(entry);
    return entry;
  }

  #flush(): void {
    for (let [first] = this.#waiting; first?.answer !== undefined; [first] = this.#waiting) {
      this.#waiting.shift();
      if (first.wanted) this.#send(first.answer);
    }
  }
}
