import { Bucket, setLast } from './arrival/bucket.ts';

/** Of one user, and of all: at once, and how many more each second. An exchange takes a millisecond of a processor. */
const OF_USER = { atOnce: 64, perSecond: 1 };
const OF_ALL = { atOnce: 256, perSecond: 32 };
/**
 * Of what there is for all, this is kept for those who have hardly asked for any: so many of each user, and so many more each
 * second. Without it, 32 users who stay within their own use up everybody's. With it that takes 480 (32 / RARE.perSecond), and what they
 * use up is what no client does: what data or time explains is not asked about.
 */
const RESERVED = 128;
const RARE = { atOnce: 4, perSecond: 1 / 15 };

type Spent = { readonly all: Bucket; readonly rare: Bucket };

/**
 * Bounds how often users who have logged in make us exchange keys, over all their connections. What data or a minute explains
 * is not asked about (lib/ssh/transport/peer-rekeys.ts), so no client that changes its keys for a reason is cut off.
 */
export class RekeyRate {
  readonly #now: () => number;
  readonly #all: Bucket;
  readonly #byUser = new Map<string, Spent>();

  /** @param now milliseconds that only go forward */
  constructor(now: () => number) {
    this.#now = now;
    this.#all = new Bucket(OF_ALL.atOnce, OF_ALL.perSecond, now());
  }

  /** Somebody begins a key exchange on a connection of this user's. False where it is one too many. */
  admit(username: string): boolean {
    const now = this.#now();
    const ofUser = this.#byUser.get(username) ?? {
      all: new Bucket(OF_USER.atOnce, OF_USER.perSecond, now),
      rare: new Bucket(RARE.atOnce, RARE.perSecond, now),
    };
    setLast(this.#byUser, username, ofUser);
    const isRare = ofUser.rare.has(now);
    // Who has used up their own takes nothing from the others, and who has asked for many leaves some to those who have not.
    if (!ofUser.all.has(now) || !this.#all.has(now, isRare ? 0 : RESERVED)) return false;
    if (isRare) ofUser.rare.take();
    ofUser.all.take();
    this.#all.take();
    return true;
  }
}
