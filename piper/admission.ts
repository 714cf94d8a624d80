import { isWithin, RouteUser, type Runtime, type SessionPolicy } from '../crds/index.ts';
import type { Authorization } from '../lib/ssh/authentication/server.ts';
import { authorization, type KeyObjection, type Offer } from '../lib/ssh/keys/authorization.ts';
import { type AuthorizedKey, parseAuthorizedKeys } from '../lib/ssh/keys/authorized-keys.ts';
import { INTERNAL_SFTP, type KeyOptions } from '../lib/ssh/keys/key-options.ts';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { type Destination, destinationOf, splitsOf } from './directory/destination.ts';
import type { Directory } from './directory/directory.ts';
import type { Login } from './directory/route-table.ts';
import { policyUnder } from './key-policy.ts';
import type { RefusalCode } from './refusals.ts';

/** A user whose signature was verified, what the directory said about them then, and where they want to go. */
export type Grant = Offer & {
  login: Login;
  /** When: milliseconds since the epoch. */
  at: number;
  destination: Destination;
  /** Of the key that signed, and of no other that was asked about before. */
  options: KeyOptions;
  /** The user's, less what the options take. */
  policy: SessionPolicy;
};

/** What a client's username stands for. Whatever it may do to a table or a log, its part that names a user must be one. */
export function readDestination(directory: Directory, login: string): Destination {
  const known = new Map<string, Login>();
  const destination = destinationOf(login, (text) => {
    const found = isUsername(text) ? directory.lookup(text) : undefined;
    if (found !== undefined) known.set(text, found);
    return found !== undefined;
  });
  const whole = known.get(login)?.route;
  if (whole === undefined) return destination;
  // Usernames belong to whoever comes first. One that is another tenant's user and one of their pods, `acme-web--web-0`,
  // would take over who means the pod: it is nobody.
  const isAlsoPod = splitsOf(login).some(({ username, name }) => {
    const other = isUsername(username) ? directory.lookup(username)?.route : undefined;
    if (other === undefined || other.namespace === whole.namespace) return false;
    return directory.pods(other).some((pod) => pod.name === name);
  });
  return isAlsoPod ? { username: '' } : destination;
}

const isUsername = (text: string): boolean => RouteUser.shape.username.safeParse(text).success;

/** Whose keys let them in, and for how long what they were let in by is still true. */
export class Admission {
  readonly #directory: Directory;
  readonly #authorities: readonly AuthorizedKey[];
  /** An unknown user costs and answers the same as a wrong key (CVE-2016-6210): a key that nobody holds stands in. */
  readonly #nobody = parseAuthorizedKeys(PrivateKey.generateEd25519().publicKey.toLine()).keys;

  /** @param authorities whose certificates every user may log in with, under their own name */
  constructor(directory: Directory, authorities: readonly AuthorizedKey[] = []) {
    this.#directory = directory;
    this.#authorities = authorities;
  }

  /** The question of each publickey attempt, before any signature. */
  authorize(offer: Offer, now: number): Authorization {
    const login = this.#directory.lookup(isUsername(offer.username) ? offer.username : '');
    const options = this.#optionsOf(login, offer, now);
    if (typeof options === 'string') return { granted: false, why: options === 'unknown' ? '' : options };
    return { granted: true, signature: options };
  }

  /** For a verified signature; undefined where the directory has changed its mind. */
  grant(offer: Offer, destination: Destination, now: number): Grant | undefined {
    const login = this.#directory.lookup(offer.username);
    const options = this.#optionsOf(login, offer, now);
    if (login === undefined || typeof options === 'string') return undefined;
    return { ...offer, destination, login, at: now, options, policy: policyUnder(login.user.policy, options) };
  }

  /** Why a user may not come in, or not stay; or until when they may. */
  review(grant: Grant, now: number): RefusalCode | { expiresAt: number } {
    const current = this.#directory.lookup(grant.username);
    if (current === undefined || current.route.uid !== grant.login.route.uid) return 'revoked';
    const options = this.#optionsOf(current, grant, now);
    if (typeof options === 'string') return options === 'expired' ? 'expired' : 'revoked';
    // A session cannot change its rights while it runs: the pod was told once what they are. More rights wait for the
    // next login, but what somebody has lost ends now.
    if (current.user.role !== grant.login.user.role || isStricter(options, grant.options)) return 'revoked';
    if (!isWithin(grant.policy, policyUnder(current.user.policy, options))) return 'revoked';
    if (this.#directory.stale()) return 'stale';
    if (!current.route.enabled) return 'disabled';
    if (grant.at < current.kickedBefore) return 'kicked';
    return current.expiresAt <= now ? 'expired' : { expiresAt: Math.min(current.expiresAt, options.expiresAt) };
  }

  #optionsOf(
    login: Login | undefined,
    offer: Offer,
    now: number,
  ): KeyOptions | KeyObjection | 'forced-command-in-main-container' {
    const options = authorization([...(login?.keys ?? this.#nobody), ...this.#authorities], offer, now);
    if (login === undefined) return 'unknown';
    if (typeof options === 'object' && !canForce(login.route.runtime, options.command))
      return 'forced-command-in-main-container';
    return options;
  }
}

/** The sshd of a main_container would tell a forced command that it itself was what the client had asked for. */
export function canForce(runtime: Runtime, command: string | undefined): boolean {
  return command === undefined || command === INTERNAL_SFTP || runtime !== 'main_container';
}

/** Whether a signature that was good enough may not be any more. */
function isStricter(now: KeyOptions, then: KeyOptions): boolean {
  return (now.verifyRequired && !then.verifyRequired) || (now.touchRequired && !then.touchRequired);
}
