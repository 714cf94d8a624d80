import { setTimeout as delay } from 'node:timers/promises';

/**
 * A subject is not asked about again before it has rested: so long at least, and longer where the answer took long, that of
 * somebody who has made thousands of objects say. So whoever sends us reviews has no more questions asked than that.
 */
const SHORTEST_REST_MS = 100;
const LONGEST_REST_MS = 1_000;
const REST_PER_WORK = 9;
/** How many subjects wait for their question; beyond, nobody is kept in memory for a review that the API server gives up on. */
const MOST_WAITING = 1_000;

export type QuestionsOptions = {
  /** How many questions may be under way or rest. Who comes later waits their turn. */
  atOnce: number;
  /** After a question that took so long. */
  rest?: ((tookMs: number) => Promise<unknown>) | undefined;
};

/** There is no room for one more: nobody knows the answer, and the failurePolicy decides. */
export class TooManyQuestions extends Error {
  override readonly name = 'TooManyQuestions';
}

/**
 * Questions to the API server, one at a time about each subject. Whoever reaches our port may send reviews in the name of any
 * tenant. So there is nothing to use up that the tenant would need: all who ask about a subject, whoever they are, wait for
 * its next question together, and subjects take turns.
 */
export class Questions<Answer> {
  readonly #ask: (subject: string) => Promise<Answer>;
  readonly #rest: (tookMs: number) => Promise<unknown>;
  #places: number;
  /** For a place, the first first. */
  readonly #queue: (() => void)[] = [];
  /** Those that have not begun. One that has does not know what has come to be since, a pod and its SshAccess say. */
  readonly #next = new Map<string, Promise<Answer>>();
  readonly #resting = new Map<string, Promise<void>>();

  constructor(ask: (subject: string) => Promise<Answer>, { atOnce, rest = restAfter }: QuestionsOptions) {
    this.#ask = ask;
    this.#places = atOnce;
    this.#rest = rest;
  }

  /**
   * What is so now: never an answer from before.
   * @throws TooManyQuestions; and what the question throws
   */
  async about(subject: string): Promise<Answer> {
    const joined = this.#next.get(subject);
    if (joined !== undefined) return await joined;
    if (this.#next.size >= MOST_WAITING) throw new TooManyQuestions('too many questions to the API server at once');
    const next = this.#begin(subject);
    this.#next.set(subject, next);
    return await next;
  }

  async #begin(subject: string): Promise<Answer> {
    await this.#resting.get(subject);
    await this.#place();
    this.#next.delete(subject);
    const began = performance.now();
    const answer = this.#ask(subject);
    const rested = Promise.allSettled([answer]).then(() => this.#rest(performance.now() - began));
    this.#resting.set(
      subject,
      rested.then(() => this.#over(subject)),
    );
    return await answer;
  }

  async #place(): Promise<void> {
    if (this.#places > 0) this.#places--;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
  }

  #over(subject: string): void {
    this.#resting.delete(subject);
    const turn = this.#queue.shift();
    if (turn === undefined) this.#places++;
    else turn();
  }
}

const restAfter = (tookMs: number): Promise<unknown> =>
  delay(Math.min(LONGEST_REST_MS, Math.max(SHORTEST_REST_MS, REST_PER_WORK * tookMs)), undefined, { ref: false });
