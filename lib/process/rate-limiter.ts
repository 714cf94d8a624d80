export type Rate = {
  /** How many at once, when nothing came for long. */
  readonly burst: number;
  /** How often one more, from then on. */
  readonly everyMs: number;
};

/** Those who came longest ago are forgotten beyond: a limit must not be what fills the memory. */
const MOST_KEYS = 10_000;

/**
 * A token bucket for each key. Of each only a time is kept: when its bucket would be full again (GCRA). Buckets that
 * are full are not kept at all.
 */
export class RateLimiter {
  readonly #rate: Rate;
  readonly #now: () => number;
  readonly #fullAt = new Map<string, number>();

  /** @param now milliseconds that only go forward */
  constructor(rate: Rate, now: () => number = () => performance.now()) {
    this.#rate = rate;
    this.#now = now;
  }

  /** Whether there is a token, which is taken. */
  take(key: string): boolean {
    const { burst, everyMs } = this.#rate;
    const now = this.#now();
    const fullAt = Math.max(now, this.#fullAt.get(key) ?? now) + everyMs;
    if (fullAt - now > burst * everyMs) return false;
    this.#fullAt.delete(key);
    this.#fullAt.set(key, fullAt);
    this.#forget(now);
    return true;
  }

  /** Takes tokens, whether there are any or not: there is none before they have come again. */
  spend(key: string, tokens: number): void {
    const now = this.#now();
    const fullAt = Math.max(now, this.#fullAt.get(key) ?? now) + tokens * this.#rate.everyMs;
    this.#fullAt.delete(key);
    this.#fullAt.set(key, fullAt);
    this.#forget(now);
  }

  /** A Map keeps the order of insertion: the first has waited longest. */
  #forget(now: number): void {
    for (const [key, fullAt] of this.#fullAt) {
      if (fullAt > now && this.#fullAt.size <= MOST_KEYS) return;
      this.#fullAt.delete(key);
    }
  }
}
