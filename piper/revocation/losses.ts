import { isDeepStrictEqual } from 'node:util';
import { isWithin, type Ending } from '../../crds/index.ts';
import type { AuthorizedLine } from '../../lib/ssh/keys/authorization.ts';
import type { Login } from '../directory/route-table.ts';

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
  const lost = before.keys.filter((line) => !after.keys.some((kept) => isSameLine(line, kept)));
  if (lost.length === 0) return undefined;
  // Which of the user's certificates were of this authority, nobody remembers.
  return { username, fingerprints: lost.some(isAuthority) ? null : lost.map(({ key }) => key.fingerprint) };
}

const isSameLine = (one: AuthorizedLine, other: AuthorizedLine): boolean =>
  one.key.equals(other.key) && isDeepStrictEqual(one.options, other.options);

const isSameUser = (before: Login, after: Login): boolean =>
  before.route.uid === after.route.uid &&
  before.user.role === after.user.role &&
  before.user.uidOffset === after.user.uidOffset;

const hasEnded = ({ route, expiresAt }: Login, now: number): boolean => !route.enabled || expiresAt <= now;

const isNarrower = (before: Login, after: Login): boolean => !isWithin(before.user.policy, after.user.policy);

const isKicked = (before: Login, after: Login): boolean => after.kickedBefore > before.kickedBefore;

const isAuthority = ({ options }: AuthorizedLine): boolean => options.isAuthority;
