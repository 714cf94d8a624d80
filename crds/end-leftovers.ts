import * as z from 'zod/mini';
import { UidOffset } from './injection-record.ts';
import { MOST_USERS } from './secret-contract.ts';
import { Role } from './session-policy.ts';

/**
 * The global request (want-reply true) that the piper sends to a pod in place of an assertion when users have lost their
 * access: whatever sessions of theirs have left behind there, such as daemons, ends. Its one argument is a string: JSON of
 * {@link LeftoversOrder}. It says nothing about connections: each piper ends its own.
 */
export const END_LEFTOVERS = 'end-leftovers@sshaccess.dev';

/** As many users as a route has, before and after a change. */
const MOST_ENDINGS = 2 * MOST_USERS;
/** As many keys as a user has. */
const MOST_FINGERPRINTS = 64;
/** Sidecars refuse an order that says more. */
export const LONGEST_AGO_MS = 3_600_000;

const Username = z.string().check(z.minLength(1), z.maxLength(191));
const Fingerprints = z.nullable(z.array(z.string().check(z.maxLength(128))).check(z.maxLength(MOST_FINGERPRINTS)));

/** What a user has lost: everything, or what one of these keys let in. */
export const Ending = z.strictObject({
  username: Username,
  fingerprints: Fingerprints,
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

/**
 * The other such request, of a piper that has not followed who lost what: everything that sessions have left behind there
 * ends, but what belongs to one of these. Its one argument is a string: JSON of {@link Roster}.
 */
export const KEEP_LEFTOVERS = 'keep-leftovers@sshaccess.dev';

/** A user who may have something running in a pod, let in by one of these keys; null: by whichever. */
export const Resident = z.object({ username: Username, role: Role, uidOffset: UidOffset, fingerprints: Fingerprints });
export type Resident = z.infer<typeof Resident>;

/** What it does not know a sidecar passes over: it may be older than the piper. */
export const Roster = z.object({
  version: z.literal(1),
  residents: z.array(Resident).check(z.maxLength(MOST_USERS)),
  /** How long the piper has followed the pod. What began since then it would have spoken of. */
  agoMs: z.int().check(z.minimum(0)),
});
export type Roster = z.infer<typeof Roster>;

/** Whether this is one of theirs, as what they are now, and by a key that they have now. */
export const isResident = (
  resident: Resident,
  who: Omit<Resident, 'fingerprints'> & { fingerprint: string },
): boolean =>
  resident.username === who.username &&
  resident.role === who.role &&
  resident.uidOffset === who.uidOffset &&
  (resident.fingerprints?.includes(who.fingerprint) ?? true);
