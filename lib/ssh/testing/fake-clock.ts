import type { Clock } from '../clock.ts';

/** Time that passes only where a test says so. */
export class FakeClock implements Clock {
  #now = 0;
  readonly #waiting = new Set<{ due: number; work: () => void }>();

  now = (): number => this.#now;

  after = (ms: number, work: () => void): (() => void) => {
    const entry = { due: this.#now + ms, work };
    this.#waiting.add(entry);
    return () => this.#waiting.delete(entry);
  };

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Lets time pass; what becomes due is called in its order, at its time. */
  pass(ms: number): void {
    const end = this.#now + ms;
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#waiting.delete(next);
      this.#now = next.due;
      next.work();
    }
    this.#now = end;
  }

  #next(end: number) {
    const due = [...this.#waiting].filter((entry) => entry.due <= end);
    return due.toSorted((left, right) => left.due - right.due)[0];
  }
}
