import { sourceOf } from './source.ts';
import type { StartUpLimits } from './start-ups.ts';

export type ArrivalLimits = {
  /** Connections in a second on which nobody logs in: of all sources, and of one. */
  strangersPerSecond: number;
  strangersPerSecondAndSource: number;
};

export type ArrivalRateOptions = {
  limits: ArrivalLimits & StartUpLimits;
  /** Addresses that stand for many people, as of a load balancer that hides its clients: only the rate of all holds them. */
  exempt: { contains: (address: string) => boolean };
  /** Milliseconds that only go forward. */
  now: () => number;
};

/** Far more than come honestly. Beyond it the one that has not come for longest is forgotten, and what it had used up. */
const MOST_SOURCES = 50_000;
/** For so long after a login a source is none of strangers. */
const KNOWN_MS = 3_600_000;

/**
 * Bounds how often strangers make us exchange keys, which costs us a millisecond each and them next to nothing. At once
 * there may be as many as there are places for start-ups. Whoever logs in gives back what they took: users do not count,
 * however many share an address. Sources from which somebody has logged in stay when all others have used up what there
 * is for all: a flood from everywhere keeps out newcomers, and not those who work here.
 */
export class ArrivalRate {
  readonly #options: ArrivalRateOptions;
  readonly #all: Bucket;
  readonly #bySource = new Map<string, Bucket>();
  readonly #known = new Map<string, number>();

  constructor(options: ArrivalRateOptions) {
    this.#options = options;
    const { startUps, strangersPerSecond } = options.limits;
    this.#all = new Bucket(startUps, strangersPerSecond, options.now());
  }

  /** A connection has come. False where it is one too many. */
  admit(address: string): boolean {
    const now = this.#options.now();
    const source = sourceOf(address);
    const ofSource = this.#options.exempt.contains(address) ? undefined : this.#bucketOf(source, now);
    if (ofSource?.has(now) === false) return false;
    if (this.#all.has(now)) this.#all.take();
    else if (!this.#isKnown(source, now)) return false;
    ofSource?.take();
    return true;
  }

  /** Somebody has logged in on a connection that was admitted. */
  loggedIn(address: string): void {
    const source = sourceOf(address);
    this.#all.giveBack();
    this.#bySource.get(source)?.giveBack();
    // One that stands for many is known for none of them.
    if (!this.#options.exempt.contains(address)) setLast(this.#known, source, this.#options.now());
  }

  #isKnown(source: string, now: number): boolean {
    return now - (this.#known.get(source) ?? -Infinity) < KNOWN_MS;
  }

  #bucketOf(source: string, now: number): Bucket {
    const { startUpsPerSource, strangersPerSecondAndSource } = this.#options.limits;
    const bucket = this.#bySource.get(source) ?? new Bucket(startUpsPerSource, strangersPerSecondAndSource, now);
    setLast(this.#bySource, source, bucket);
    return bucket;
  }
}

/** So much at once, and so much more each second. */
class Bucket {
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

  has(now: number): boolean {
    this.#left = Math.min(this.#most, this.#left + ((now - this.#at) / 1000) * this.#perSecond);
    this.#at = now;
    return this.#left >= 1;
  }

  take(): void {
    this.#left--;
  }

  giveBack(): void {
    this.#left = Math.min(this.#most, this.#left + 1);
  }
}

/** As the last; a Map keeps the order of insertion, so the first is the oldest. */
function setLast<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= MOST_SOURCES) return;
  const oldest = map.keys().next();
  if (oldest.done !== true) map.delete(oldest.value);
}
