const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 120_000;

type Waiter = (key: string | undefined) => void;

/**
 * A queue of keys with the semantics of client-go's: a key waits at most once; a key that is added while it is being
 * processed comes again afterwards, and is never processed twice at the same time.
 */
export class WorkQueue {
  readonly #ready: string[] = [];
  /** Keys that need processing, whether they wait in `#ready` or for `done` of the run in progress. */
  readonly #dirty = new Set<string>();
  readonly #processing = new Set<string>();
  readonly #waiters: Waiter[] = [];
  readonly #failures = new Map<string, number>();
  /** The soonest pending `addAfter` of each key; a later one for the same key is not needed (reconcile asks again). */
  readonly #timers = new Map<string, { at: number; timer: NodeJS.Timeout }>();
  readonly #retry: { firstMs: number; lastMs: number };
  #isShutDown = false;

  constructor(retry: { firstMs: number; lastMs: number } = { firstMs: FIRST_RETRY_MS, lastMs: LAST_RETRY_MS }) {
    this.#retry = retry;
  }

  get length(): number {
    return this.#ready.length;
  }

  add(key: string): void {
    if (this.#isShutDown || this.#dirty.has(key)) return;
    this.#dirty.add(key);
    if (!this.#processing.has(key)) this.#hand(key);
  }

  addAfter(key: string, ms: number): void {
    if (this.#isShutDown) return;
    if (ms <= 0) return this.add(key);
    const at = Date.now() + ms;
    const pending = this.#timers.get(key);
    if (pending !== undefined && pending.at <= at) return;
    clearTimeout(pending?.timer);
    // setTimeout takes at most 2^31-1 ms (24.8 days) and fires at once beyond: wake up then and wait again.
    const step = Math.min(ms, 2 ** 31 - 1);
    const timer = setTimeout(() => {
      this.#timers.delete(key);
      this.addAfter(key, ms - step);
    }, step);
    this.#timers.set(key, { at, timer });
  }

  /** Adds after a delay that doubles with each call for this key, until {@link forget}. */
  addRateLimited(key: string): void {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    const step = Math.min(this.#retry.firstMs * 2 ** Math.min(failures, 30), this.#retry.lastMs);
    this.addAfter(key, step * (1 + Math.random() / 10));
  }

  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** The next key, as soon as there is one; undefined after {@link shutDown}. Call {@link done} when it is processed. */
  async get(): Promise<string | undefined> {
    if (this.#isShutDown) return undefined;
    const key = this.#ready.shift();
    if (key === undefined) return new Promise((resolve) => this.#waiters.push(resolve));
    this.#begin(key);
    return key;
  }

  done(key: string): void {
    this.#processing.delete(key);
    if (this.#dirty.has(key) && !this.#isShutDown) this.#hand(key);
  }

  /** Everything that waits is dropped; what is being processed may finish. */
  shutDown(): void {
    this.#isShutDown = true;
    for (const { timer } of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#ready.length = 0;
    for (const waiter of this.#waiters.splice(0)) waiter(undefined);
  }

  #hand(key: string): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) {
      this.#ready.push(key);
      return;
    }
    this.#begin(key);
    waiter(key);
  }

  #begin(key: string): void {
    this.#dirty.delete(key);
    this.#processing.add(key);
  }
}
