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
/** Of askers, when they had their last turn. Who is forgotten is as who never had one. */
const MOST_REMEMBERED = 10_000;

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

/** Who waits for a place. */
type Waiting = { readonly asker: string; readonly take: () => void };

/**
 * Questions to the API server, one at a time about each subject. Whoever reaches our port may send reviews in the name of any
 * tenant. So there is nothing to use up that the tenant would need: all who ask about a subject, whoever they are, wait for
 * its next question together. And askers take turns: first comes whose last turn is longest ago, so that whoever asks about hundreds
 * of subjects again and again stands behind those who ask now and then.
 */
export class Questions<Answer> {
  readonly #ask: (subject: string) => Promise<Answer>;
  readonly #rest: (tookMs: number) => Promise<unknown>;
  #places: number;
  /** The first first. */
  readonly #queue: Waiting[] = [];
  /** By asker, the how manieth turn of all was their last. The first has not had one for longest. */
  readonly #lastTurns = new Map<string, number>();
  #turns = 0;
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
   * @param asker whose turn it takes: one who owns many subjects has no more turns than one who owns one
   * @throws TooManyQuestions; and what the question throws
   */
  async about(subject: string, asker = subject): Promise<Answer> {
    const joined = this.#next.get(subject);
    if (joined !== undefined) return await joined;
    if (this.#next.size >= MOST_WAITING) throw new TooManyQuestions('too many questions to the API server at once');
    const next = this.#begin(subject, asker);
    this.#next.set(subject, next);
    return await next;
  }

  async #begin(subject: string, asker: string): Promise<Answer> {
    await this.#resting.get(subject);
    await this.#place(asker);
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

  async #place(asker: string): Promise<void> {
    if (this.#places === 0) return await new Promise<void>((take) => this.#queue.push({ asker, take }));
    this.#places--;
    this.#hasTurn(asker);
  }

  #over(subject: string): void {
    this.#resting.delete(subject);
    const next = this.#whoseTurn();
    if (next === undefined) return void this.#places++;
    this.#queue.splice(this.#queue.indexOf(next), 1);
    this.#hasTurn(next.asker);
    next.take();
  }

  #hasTurn(asker: string): void {
    this.#lastTurns.delete(asker);
    this.#lastTurns.set(asker, ++this.#turns);
    const [longestAgo] = this.#lastTurns.keys();
    if (this.#lastTurns.size > MOST_REMEMBERED && longestAgo !== undefined) this.#lastTurns.delete(longestAgo);
  }

  #whoseTurn(): Waiting | undefined {
    const lastTurn = ({ asker }: Waiting): number => this.#lastTurns.get(asker) ?? 0;
    return this.#queue.reduce<Waiting | undefined>(
      (best, waiting) => (best === undefined || lastTurn(waiting) < lastTurn(best) ? waiting : best),
      undefined,
    );
  }
}

const restAfter = (tookMs: number): Promise<unknown> =>
  delay(Math.min(LONGEST_REST_MS, Math.max(SHORTEST_REST_MS, REST_PER_WORK * tookMs)), undefined, { ref: false });
