/** So much at once, and so much more each second. */
export class Bucket {
  readonly #most: number;
  readonly #perSecond: number;
  #left: number;
  #at: number;

  constructor(most: number, perSecond: number, now: number) {
    this.#most = most;
    this.#perSecond = perSecond;
    this.#left = most;
    this.#at = now;
  }

  /** @param beside what is to be left then */
  has(now: number, beside = 0): boolean {
    this.#left = Math.min(this.#most, this.#left + ((now - this.#at) / 1000) * this.#perSecond);
    this.#at = now;
    return this.#left >= 1 + beside;
  }

  take(): void {
    this.#left--;
  }

  giveBack(): void {
    this.#left = Math.min(this.#most, this.#left + 1);
  }
}

/** Far more than come honestly. Beyond it the one that has not come for longest is forgotten, and what it had used up. */
const MOST_REMEMBERED = 50_000;

/** As the last; a Map keeps the order of insertion, so the first is the oldest. */
export function setLast<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= MOST_REMEMBERED) return;
  const oldest = map.keys().next();
  if (oldest.done !== true) map.delete(oldest.value);
}
