import { sourceOf } from '../arrival/source.ts';
import type { Networks } from '../arrival/networks.ts';

export type FailureLimits = {
  /** Failed logins of one source, whatever the username, before it is banned. */
  failuresPerSource: number;
  /** Failed logins of one source under one username, before it is banned from that username. */
  failuresPerSourceAndUser: number;
  /** Failures older than this are forgotten. */
  failureWindowMs: number;
  banMs: number;
};

/** A source that is not served for a while; with a username, only under that. Times in milliseconds since the epoch. */
export type Ban = { id: string; source: string; username?: string; failures: number; since: number; until: number };

export type FailuresOptions = {
  limits: FailureLimits;
  /** Who is never banned. */
  exempt: Networks;
  /** The time of day, in milliseconds. */
  now: () => number;
  onBan: (ban: Ban) => void;
};

/** A flood of sources makes us forget the oldest: memory stays below some ten MiB. */
const MOST_COUNTERS = 50_000;
const MOST_BANS = 10_000;

type Counter = { failures: number; since: number };

/**
 * Counts failed logins: tries that were signed, or were by another method than publickey. To ask whether a key would do
 * is none, so a laptop that offers six keys is no attacker. Counted are a source, and a source under one username: of
 * many who share an address, a user who cannot get in costs the others nothing.
 */
export class Failures {
  readonly #options: FailuresOptions;
  readonly #counters = new Map<string, Counter>();
  readonly #bans = new Map<string, Ban>();
  #nextId = 1;

  constructor(options: FailuresOptions) {
    this.#options = options;
  }

  /** True where the source is not served at all. */
  isBanned(address: string): boolean {
    return this.#ban(sourceOf(address)) !== undefined;
  }

  /** True where no key of this username is taken from the source. It must look like any wrong key. */
  isBannedFrom(address: string, username: string): boolean {
    return this.#ban(`${sourceOf(address)} ${username}`) !== undefined;
  }

  failed(address: string, username: string): void {
    const { limits, exempt } = this.#options;
    if (exempt.contains(address)) return;
    const source = sourceOf(address);
    this.#count(source, limits.failuresPerSource, { source });
    this.#count(`${source} ${username}`, limits.failuresPerSourceAndUser, { source, username });
  }

  /** Who gets in under a username was no guesser there. Failures of the source stay: else one valid key would hide any number. */
  succeeded(address: string, username: string): void {
    this.#counters.delete(`${sourceOf(address)} ${username}`);
  }

  /** Those in force, the oldest first. */
  bans(): Ban[] {
    for (const key of this.#bans.keys()) this.#ban(key);
    return [...this.#bans.values()];
  }

  /** Ends a ban. @returns false where there is none of this id */
  lift(id: string): boolean {
    for (const [key, ban] of this.#bans) if (ban.id === id) return this.#bans.delete(key);
    return false;
  }

  #ban(key: string): Ban | undefined {
    const ban = this.#bans.get(key);
    if (ban === undefined || ban.until > this.#options.now()) return ban;
    this.#bans.delete(key);
    return undefined;
  }

  #count(key: string, most: number, whom: Pick<Ban, 'source' | 'username'>): void {
    const { limits, now, onBan } = this.#options;
    const time = now();
    const known = this.#counters.get(key);
    const isFresh = known !== undefined && time - known.since < limits.failureWindowMs;
    const counter = isFresh ? { failures: known.failures + 1, since: known.since } : { failures: 1, since: time };
    this.#counters.delete(key);
    if (counter.failures < most) {
      this.#counters.set(key, counter);
      forgetOldest(this.#counters, MOST_COUNTERS);
      return;
    }
    if (this.#ban(key) !== undefined) return;
    const ban = {
      id: String(this.#nextId++),
      ...whom,
      failures: counter.failures,
      since: time,
      until: time + limits.banMs,
    };
    this.#bans.set(key, ban);
    forgetOldest(this.#bans, MOST_BANS);
    onBan(ban);
  }
}

/** A Map keeps the order of insertion: the first is the oldest. */
function forgetOldest(map: Map<string, unknown>, most: number): void {
  if (map.size <= most) return;
  const oldest = map.keys().next();
  if (oldest.done !== true) map.delete(oldest.value);
}
