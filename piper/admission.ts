import { isWithin, RouteUser } from '../crds/index.ts';
import type { PublicKey } from '../lib/ssh/keys/public-key.ts';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { type Destination, destinationOf } from './directory/destination.ts';
import type { Directory } from './directory/directory.ts';
import type { Login } from './directory/route-table.ts';
import type { RefusalCode } from './refusals.ts';

/** A user whose signature was verified, what the directory said about them then, and where they want to go. */
export type Grant = { username: string; key: PublicKey; login: Login; destination: Destination };

/** What a client's username stands for. Whatever it may do to a table or a log, its part that names a user must be one. */
export function readDestination(directory: Directory, login: string): Destination {
  return destinationOf(login, (text) => isUsername(text) && directory.lookup(text) !== undefined);
}

const isUsername = (text: string): boolean => RouteUser.shape.username.safeParse(text).success;

/**
 * Whether a key may log in under a username: the question of each publickey attempt, before any signature.
 * An unknown user costs and answers the same as a wrong key (CVE-2016-6210): a key that nobody holds stands in.
 */
export function makeAuthorize(directory: Directory): (username: string, key: PublicKey) => boolean {
  const nobody = [PrivateKey.generateEd25519().publicKey];
  return (username, key) => {
    const login = directory.lookup(isUsername(username) ? username : '');
    const found = holds(login?.keys ?? nobody, key);
    return found && login !== undefined;
  };
}

/** Why a user may not come in, or not stay; undefined where they may. */
export function refusalOf(directory: Directory, { username, key, login }: Grant, now: number): RefusalCode | undefined {
  const current = directory.lookup(username);
  if (current === undefined || current.route.uid !== login.route.uid || !holds(current.keys, key)) return 'revoked';
  // A session cannot change its rights while it runs: the pod was told once what they are. More rights wait for the
  // next login, but what somebody has lost ends now.
  if (current.user.role !== login.user.role || !isWithin(login.user.policy, current.user.policy)) return 'revoked';
  if (directory.stale()) return 'stale';
  if (!current.route.enabled) return 'disabled';
  return current.expiresAt <= now ? 'expired' : undefined;
}

/** Looks at every key, found or not, so that the time does not tell which one it was. */
function holds(keys: readonly PublicKey[], key: PublicKey): boolean {
  let found = false;
  for (const candidate of keys) if (candidate.equals(key)) found = true;
  return found;
}
