/**
 * Who owns a username, cluster-wide. In this order:
 * 1. Whose namespace gives the organization, by its name or label, which only administrators write; who merely names an
 *    organization in a spec cannot keep its usernames from it, or wait with them for its people to log in.
 * 2. Who has it already. An SshAccess keeps its age when its spec is edited, so by age alone an old one could take the
 *    username, and with it the sessions, of a younger one.
 * 3. The oldest.
 */

/** One SshAccess and the usernames that it asks for. */
export type Claimant = {
  /** `namespace/name` */
  readonly key: string;
  readonly uid: string;
  /** RFC 3339 in UTC, so that text order is time order. */
  readonly createdAt: string;
  readonly usernames: readonly string[];
  /** The organization is that of its namespace. */
  readonly isNative: boolean;
};

/** Creation time, then uid: a total order that every replica computes alike. */
export function isOlder(
  left: Pick<Claimant, 'uid' | 'createdAt'>,
  right: Pick<Claimant, 'uid' | 'createdAt'>,
): boolean {
  return left.createdAt === right.createdAt ? left.uid < right.uid : left.createdAt < right.createdAt;
}

/** All claims, by username, so that one change touches only those who claim the same names. */
export class UsernameClaims {
  readonly #claimants = new Map<string, Claimant>();
  readonly #holders = new Map<string, Map<string, Claimant>>();
  /** uid → the usernames that its route says are its own. */
  readonly #held = new Map<string, ReadonlySet<string>>();

  /**
   * Puts the claims of one SshAccess in place of those it had; `undefined`: it is gone.
   * @returns the keys of the others whose ownership may have changed
   */
  set(key: string, claimant: Claimant | undefined): readonly string[] {
    const previous = this.#claimants.get(key);
    if (previous !== undefined && claimant !== undefined && isSame(previous, claimant)) return [];
    const touched = new Set([...(previous?.usernames ?? []), ...(claimant?.usernames ?? [])]);
    for (const username of previous?.usernames ?? []) this.#forget(username, key);
    if (claimant === undefined) this.#claimants.delete(key);
    else this.#claimants.set(key, claimant);
    for (const username of claimant?.usernames ?? []) this.#remember(username, key, claimant);
    const others = new Set([...touched].flatMap((username) => [...(this.#holders.get(username)?.keys() ?? [])]));
    others.delete(key);
    return [...others];
  }

  /**
   * What the route of an SshAccess says are its usernames; none: it has no route.
   * @returns the keys of all whose ownership may have changed
   */
  hold(uid: string, usernames: readonly string[]): readonly string[] {
    const before = this.#held.get(uid) ?? new Set<string>();
    const after = new Set(usernames);
    if (after.size === 0) this.#held.delete(uid);
    else this.#held.set(uid, after);
    const changed = [...before, ...after].filter((username) => before.has(username) !== after.has(username));
    return [...new Set(changed.flatMap((username) => [...(this.#holders.get(username)?.keys() ?? [])]))];
  }

  ownerOf(username: string): Claimant | undefined {
    let owner: Claimant | undefined;
    for (const claimant of this.#holders.get(username)?.values() ?? []) {
      if (owner === undefined || this.#precedes(claimant, owner, username)) owner = claimant;
    }
    return owner;
  }

  #precedes(left: Claimant, right: Claimant, username: string): boolean {
    if (left.isNative !== right.isNative) return left.isNative;
    const [leftHolds, rightHolds] = [left, right].map(({ uid }) => this.#held.get(uid)?.has(username) ?? false);
    return leftHolds === rightHolds ? isOlder(left, right) : leftHolds === true;
  }

  #remember(username: string, key: string, claimant: Claimant | undefined): void {
    if (claimant === undefined) return;
    const holders = this.#holders.get(username) ?? new Map<string, Claimant>();
    this.#holders.set(username, holders.set(key, claimant));
  }

  #forget(username: string, key: string): void {
    const holders = this.#holders.get(username);
    holders?.delete(key);
    if (holders?.size === 0) this.#holders.delete(username);
  }
}

function isSame(left: Claimant, right: Claimant): boolean {
  const names = (claimant: Claimant) => claimant.usernames.join(' ');
  const facts = ({ uid, createdAt, isNative }: Claimant) => `${uid} ${createdAt} ${isNative}`;
  return facts(left) === facts(right) && names(left) === names(right);
}
