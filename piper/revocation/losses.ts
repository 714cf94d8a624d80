import { isWithin, type Ending } from '../../crds/index.ts';
import type { KeyLine, Login } from '../directory/route-table.ts';

/** What the user has lost from one to the other; undefined: nothing. What began under more rights than are left counts, too. */
export function lossOf(before: Login, after: Login | undefined, now: number): Ending | undefined {
  const { username } = before.user;
  if (
    after === undefined ||
    !isSameUser(before, after) ||
    hasEnded(after, now) ||
    isNarrower(before, after) ||
    isKicked(before, after)
  )
    return { username, fingerprints: null };
  // Tenants write the keys, and any change asks for all of those of a user.
  const kept = new Set(after.keys.map(identityOf));
  return endingOf(
    before,
    before.keys.filter((line) => !kept.has(identityOf(line))),
  );
}

/** What the user has lost by nothing but time, after `since` and until `now`. */
export function expiryOf(login: Login, since: number, now: number): Ending | undefined {
  const isOver = ({ expiresAt }: { expiresAt: number }): boolean => since < expiresAt && expiresAt <= now;
  if (isOver(login)) return { username: login.user.username, fingerprints: null };
  return endingOf(
    login,
    login.keys.filter(({ options }) => isOver(options)),
  );
}

/** When time next takes something from the user; Infinity: never. */
export function nextExpiry({ expiresAt, keys }: Login, now: number): number {
  return [expiresAt, ...keys.map(({ options }) => options.expiresAt)]
    .filter((time) => time > now)
    .reduce((first, time) => Math.min(first, time), Infinity);
}

/** A key that stands in several lines lets in under what each of them says. */
function endingOf({ user: { username } }: Login, lost: readonly KeyLine[]): Ending | undefined {
  if (lost.length === 0) return undefined;
  // Which of the user's certificates were of this authority, nobody remembers.
  const isUnknown = lost.some(({ options }) => options.isAuthority);
  return { username, fingerprints: isUnknown ? null : [...new Set(lost.map(({ key }) => key.fingerprint))] };
}

const identityOf = ({ key, written }: KeyLine): string => `${written} ${key.toLine()}`;

const isSameUser = (before: Login, after: Login): boolean =>
  before.route.uid === after.route.uid &&
  before.user.role === after.user.role &&
  before.user.uidOffset === after.user.uidOffset;

const hasEnded = ({ route, expiresAt }: Login, now: number): boolean => !route.enabled || expiresAt <= now;

const isNarrower = (before: Login, after: Login): boolean => !isWithin(before.user.policy, after.user.policy);

const isKicked = (before: Login, after: Login): boolean => after.kickedBefore > before.kickedBefore;
