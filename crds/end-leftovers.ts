import * as z from 'zod/mini';

/**
 * The global request (want-reply true) that the piper sends to a pod in place of an assertion when users have lost their
 * access: whatever sessions of theirs have left behind there, such as daemons, ends. Its one argument is a string: JSON of
 * {@link LeftoversOrder}. It says nothing about connections: each piper ends its own.
 */
export const END_LEFTOVERS = 'end-leftovers@sshaccess.dev';

/** As many users as a route has, before and after a change. */
const MOST_ENDINGS = 128;
/** As many keys as a user has. */
const MOST_FINGERPRINTS = 64;
const LONGEST_AGO_MS = 3_600_000;

/** What a user has lost: everything, or what one of these keys let in. */
export const Ending = z.strictObject({
  username: z.string().check(z.minLength(1), z.maxLength(191)),
  fingerprints: z.nullable(z.array(z.string().check(z.maxLength(128))).check(z.maxLength(MOST_FINGERPRINTS))),
});
export type Ending = z.infer<typeof Ending>;

export const LeftoversOrder = z.strictObject({
  version: z.literal(1),
  endings: z.array(Ending).check(z.maxLength(MOST_ENDINGS)),
  /** How long ago that was. Sessions that began since then were let in by what holds now. */
  agoMs: z.int().check(z.minimum(0), z.maximum(LONGEST_AGO_MS)),
});
export type LeftoversOrder = z.infer<typeof LeftoversOrder>;

/** Whether that ending is one of who was let in as this user, by the key with this fingerprint. */
export const hasLost = ({ username, fingerprints }: Ending, who: { username: string; fingerprint: string }): boolean =>
  username === who.username && (fingerprints === null || fingerprints.includes(who.fingerprint));
