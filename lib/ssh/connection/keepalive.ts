import type { Clock } from '../clock.ts';

export const KEEPALIVE_REQUEST = 'keepalive@openssh.com';

export type KeepaliveOptions = {
  clock: Clock;
  /** After so long without a word from the peer it is asked, and again after as long. */
  intervalMs: number;
  /** So many questions in a row may stay unanswered; the peer is gone an interval after the last. */
  maxUnanswered: number;
  /** Sends a global request that wants a reply; that reply, whatever it is, comes back as {@link Keepalive.heard}. */
  ask: () => void;
  /** Once. */
  onGone: () => void;
};

/**
 * Finds out that a peer is gone which has not said so: a laptop that was closed, an address that was lost. TCP's own
 * keepalive sees no further than the next hop of a piped connection.
 */
export class Keepalive {
  readonly #options: KeepaliveOptions;
  #lastHeard: number;
  #unanswered = 0;
  #cancel: () => void = () => undefined;

  constructor(options: KeepaliveOptions) {
    this.#options = options;
    this.#lastHeard = options.clock.now();
    this.#wait(options.intervalMs);
  }

  /** Something came from the peer. */
  heard(): void {
    this.#lastHeard = this.#options.clock.now();
    this.#unanswered = 0;
  }

  stop(): void {
    this.#cancel();
  }

  #wait(ms: number): void {
    this.#cancel = this.#options.clock.after(ms, () => this.#wake());
  }

  #wake(): void {
    const { clock, intervalMs, maxUnanswered, ask, onGone } = this.#options;
    const silence = clock.now() - this.#lastHeard;
    if (silence < intervalMs) return this.#wait(intervalMs - silence);
    if (this.#unanswered >= maxUnanswered) return onGone();
    this.#unanswered++;
    ask();
    return this.#wait(intervalMs);
  }
}
