/** Whoever reaches our port may send reviews: they must not become as many questions to the API server. */
const MOST_AT_ONCE = 50;
/** A tenant whose pods name SshAccesses that there are not leaves the others room. */
const MOST_OF_NAMESPACE = 10;
/** A controller whose pods name one that there is not makes them by the dozen. */
const REMEMBERS_MISS_MS = 1_000;
const MOST_MISSES = 1_000;

/** Questions of one kind that wait for their answers, and the latest answers that there is nothing. */
export class Questions<Answer> {
  readonly #ask: (namespace: string, name: string) => Promise<Answer | undefined>;
  readonly #now: () => number;
  /** By namespace and name. */
  readonly #waiting = new Map<string, Map<string, Promise<Answer | undefined>>>();
  #count = 0;
  /** The oldest first: until when that is so. */
  readonly #misses = new Map<string, number>();

  /** @param now milliseconds that only go forward */
  constructor(ask: (namespace: string, name: string) => Promise<Answer | undefined>, now = () => performance.now()) {
    this.#ask = ask;
    this.#now = now;
  }

  /** @throws where there are too many; and what the question throws */
  async about(namespace: string, name: string): Promise<Answer | undefined> {
    const key = `${namespace}/${name}`;
    if (this.#now() < (this.#misses.get(key) ?? -Infinity)) return undefined;
    const theirs = this.#waiting.get(namespace) ?? new Map<string, Promise<Answer | undefined>>();
    const asked = theirs.get(name);
    if (asked !== undefined) return asked;
    if (this.#count >= MOST_AT_ONCE || theirs.size >= MOST_OF_NAMESPACE)
      throw new Error('too many questions to the API server at once');
    this.#waiting.set(namespace, theirs);
    this.#count++;
    const answer = this.#ask(namespace, name);
    theirs.set(name, answer);
    try {
      const found = await answer;
      if (found === undefined) this.#missed(key);
      return found;
    } finally {
      this.#count--;
      theirs.delete(name);
      if (theirs.size === 0) this.#waiting.delete(namespace);
    }
  }

  #missed(key: string): void {
    this.#misses.delete(key);
    this.#misses.set(key, this.#now() + REMEMBERS_MISS_MS);
    if (this.#misses.size <= MOST_MISSES) return;
    const [oldest] = this.#misses.keys();
    if (oldest !== undefined) this.#misses.delete(oldest);
  }
}
