import { Bucket, setLast } from './arrival/bucket.ts';

/** Of one user, and of all: at once, and how many more each second. An exchange takes a millisecond of a processor. */
const OF_USER = { atOnce: 64, perSecond: 1 };
const OF_ALL = { atOnce: 256, perSecond: 32 };

/**
 * Bounds how often users who have logged in make us exchange keys, over all their connections. What data or a minute explains
 * is not asked about (lib/ssh/transport/peer-rekeys.ts), so no client that changes its keys for a reason is cut off.
 */
export class RekeyRate {
  readonly #now: () => number;
  readonly #all: Bucket;
  readonly #byUser = new Map<string, Bucket>();

  /** @param now milliseconds that only go forward */
  constructor(now: () => number) {
    this.#now = now;
    this.#all = new Bucket(OF_ALL.atOnce, OF_ALL.perSecond, now());
  }

  /** Somebody begins a key exchange on a connection of this user's. False where it is one too many. */
  admit(username: string): boolean {
    const now = this.#now();
    const ofUser = this.#byUser.get(username) ?? new Bucket(OF_USER.atOnce, OF_USER.perSecond, now);
    setLast(this.#byUser, username, ofUser);
    // Who has used up their own takes nothing from the others.
    if (!ofUser.has(now) || !this.#all.has(now)) return false;
    ofUser.take();
    this.#all.take();
    return true;
  }
}
