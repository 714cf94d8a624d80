import { Bucket, setLast } from './bucket.ts';
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

/** For so long after a login a source is none of strangers. */
const KNOWN_MS = 3_600_000;

/** A connection that has come. */
export type Arrival = {
  /** Somebody has logged in on it: what it took is given back. */
  loggedIn: () => void;
};

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

  /** A connection has come. Undefined where it is one too many. */
  admit(address: string): Arrival | undefined {
    const now = this.#options.now();
    const source = sourceOf(address);
    const isExempt = this.#options.exempt.contains(address);
    const ofSource = isExempt ? undefined : this.#bucketOf(source, now);
    if (ofSource?.has(now) === false) return undefined;
    // Who is let in for being known has taken nothing from all, and has nothing to give back to them.
    const ofAll = this.#all.has(now) ? this.#all : undefined;
    if (ofAll === undefined && !this.#isKnown(source, now)) return undefined;
    ofAll?.take();
    ofSource?.take();
    const loggedIn = (): void => {
      ofAll?.giveBack();
      ofSource?.giveBack();
      // One that stands for many is known for none of them.
      if (!isExempt) setLast(this.#known, source, this.#options.now());
    };
    return { loggedIn };
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
