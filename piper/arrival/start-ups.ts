import { sourceOf } from './source.ts';

export type StartUpLimits = { startUps: number; startUpsPerSource: number };

type StartUp = { drop: () => void };

/**
 * Bounds the connections that nobody has logged in on yet, in all and per source. Where there is no place, the newest
 * gets that of the oldest: a login takes well under a second, and whoever wants to keep others out by holding places
 * would have to take all of them anew within that time. Those who are logged in do not count.
 */
export class StartUps {
  readonly #limits: StartUpLimits;
  /** Both in the order in which they came. */
  readonly #bySource = new Map<string, Set<StartUp>>();
  #count = 0;

  constructor(limits: StartUpLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#count;
  }

  /**
   * @param drop called where this start-up has to give its place to another
   * @returns how to give the place back (once; later calls do nothing)
   */
  take(address: string, drop: () => void): () => void {
    const source = sourceOf(address);
    if ((this.#bySource.get(source)?.size ?? 0) >= this.#limits.startUpsPerSource) this.#dropOldestOf(source);
    else if (this.#count >= this.#limits.startUps) this.#dropOldestOf(this.#largestSource());
    const startUp = { drop };
    this.#bySource.set(source, (this.#bySource.get(source) ?? new Set()).add(startUp));
    this.#count++;
    return () => this.#remove(source, startUp);
  }

  /** Who has the most places can best spare one: a single source never costs others theirs. */
  #largestSource(): string {
    let largest = { source: '', size: 0 };
    for (const [source, { size }] of this.#bySource) if (size > largest.size) largest = { source, size };
    return largest.source;
  }

  #dropOldestOf(source: string): void {
    const [oldest] = this.#bySource.get(source) ?? [];
    if (oldest === undefined) return;
    this.#remove(source, oldest);
    oldest.drop();
  }

  #remove(source: string, startUp: StartUp): void {
    const ofSource = this.#bySource.get(source);
    if (ofSource?.delete(startUp) !== true) return;
    if (ofSource.size === 0) this.#bySource.delete(source);
    this.#count--;
  }
}
