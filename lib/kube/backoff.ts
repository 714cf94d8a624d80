import { setTimeout as delay } from 'node:timers/promises';

/** Exponential delays with jitter, from `firstMs` to `lastMs`; `reset()` after success. */
export class Backoff {
  readonly #firstMs: number;
  readonly #lastMs: number;
  #failures = 0;

  constructor(firstMs: number, lastMs: number) {
    this.#firstMs = firstMs;
    this.#lastMs = lastMs;
  }

  /** Each delay is drawn from the upper half of its step, so that a fleet does not come back as one. */
  next(): number {
    const step = Math.min(this.#firstMs * 2 ** Math.min(this.#failures, 20), this.#lastMs);
    this.#failures += 1;
    return step / 2 + (Math.random() * step) / 2;
  }

  reset(): void {
    this.#failures = 0;
  }
}

/** Sleeps, or returns early when `signal` aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
