import type { SessionPolicy } from '../crds/session-policy.ts';
import type { Clock } from '../lib/ssh/clock.ts';
import { duration } from './duration.ts';
import { SECOND_LOCK_MS, WARNING_MS } from './limits.ts';

export type TimeLimitOptions = {
  clock: Clock;
  limitMs: number;
  /** The end is near; called with the time until then. */
  warn: (leftMs: number) => void;
  /** {@link SECOND_LOCK_MS} after the end, which is the piper's to make. */
  end: () => void;
};

/** A time that runs out, unless it is restarted. */
export class TimeLimit {
  readonly #options: TimeLimitOptions;
  readonly #leadMs: number;
  #start: number;
  #warned = false;
  #cancel: () => void = () => undefined;

  constructor(options: TimeLimitOptions) {
    this.#options = options;
    this.#leadMs = Math.min(WARNING_MS, options.limitMs / 2);
    this.#start = options.clock.now();
    this.#wait();
  }

  /** Called for each message with data: it leaves the timer where it is, which looks again when it fires. */
  restart(): void {
    this.#start = this.#options.clock.now();
    if (!this.#warned) return;
    this.#warned = false;
    this.#cancel();
    this.#wait();
  }

  stop(): void {
    this.#cancel();
  }

  get #dueMs(): number {
    const { limitMs, clock } = this.#options;
    return this.#start + limitMs + (this.#warned ? SECOND_LOCK_MS : -this.#leadMs) - clock.now();
  }

  #wait(): void {
    this.#cancel = this.#options.clock.after(this.#dueMs, () => this.#wake());
  }

  #wake(): void {
    if (this.#dueMs > 0) return this.#wait();
    if (this.#warned) return this.#options.end();
    this.#warned = true;
    this.#options.warn(this.#leadMs);
    return this.#wait();
  }
}

export type TimeLimitsOptions = {
  policy: SessionPolicy;
  /** Until the user's access ends, as it was said when they came; undefined: it does not. */
  untilExpiryMs: number | undefined;
  clock: Clock;
  /** Tells the user. What that sends is no activity. */
  warn: (sentence: string) => void;
  end: (reason: string) => void;
};

/** The idle time and the longest time of a connection, and the end of its user's access. */
export class TimeLimits {
  readonly #idle: TimeLimit | undefined;
  readonly #longest: TimeLimit | undefined;
  readonly #expiry: TimeLimit | undefined;

  constructor({ policy, untilExpiryMs, clock, warn, end }: TimeLimitsOptions) {
    const limit = (seconds: number, sentence: (left: string) => string, reason?: string): TimeLimit | undefined => {
      if (seconds <= 0) return undefined;
      const tell = (leftMs: number): void => warn(sentence(duration(leftMs)));
      const finish = (): void => (reason === undefined ? undefined : end(reason));
      return new TimeLimit({ clock, limitMs: seconds * 1000, warn: tell, end: finish });
    };
    const idle = duration(policy.idleTimeoutSeconds * 1000);
    const longest = duration(policy.maxDurationSeconds * 1000);
    this.#idle = limit(
      policy.idleTimeoutSeconds,
      (left) => `nothing happens on this connection, and it ends in ${left}: type something to stay.`,
      `idle for ${idle}`,
    );
    this.#longest = limit(
      policy.maxDurationSeconds,
      (left) => `this connection ends in ${left}, for none may last longer than ${longest}: save your work now.`,
      `no connection may last longer than ${longest}`,
    );
    // Only the piper knows whether it has been put off since, and ends the connection.
    this.#expiry = limit(
      (untilExpiryMs ?? 0) / 1000,
      (left) => `your access ends in ${left}, unless it is extended: save your work now.`,
    );
  }

  /** Data has passed on a channel, in either direction. */
  dataPassed(): void {
    this.#idle?.restart();
  }

  stop(): void {
    this.#idle?.stop();
    this.#longest?.stop();
    this.#expiry?.stop();
  }
}
