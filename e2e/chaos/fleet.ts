/** What users may want of a few SshAccesses, as data: the state that is wished for, and random changes of it. */
import type { Random } from '../../lib/ssh/testing/random.ts';

/** Keys that users have; a changed key is another of these. */
export const KEYS = 4;
/** The primary user has none. */
export const SUFFIXES = ['', 'ann', 'ben', 'cem'] as const;
type Suffix = (typeof SUFFIXES)[number];

export type User = { suffix: Suffix; key: number; access: 'root' | 'limited'; expired: boolean };
/** `incarnation`: how often it was created. */
export type Access = {
  name: string;
  incarnation: number;
  exists: boolean;
  enabled: boolean;
  replicas: number;
  users: readonly User[];
};
export type Fleet = readonly Access[];

/** Who may log in, as what, with which key: a session that was opened on other terms must not live. */
export type Grant = Pick<User, 'suffix' | 'key' | 'access'> & Pick<Access, 'name' | 'incarnation'>;

const primary: User = { suffix: '', key: 0, access: 'root', expired: false };

export const newFleet = (size: number): Fleet =>
  Array.from({ length: size }, (_, index) => ({
    name: `app-${index}`,
    incarnation: 1,
    exists: true,
    enabled: true,
    replicas: 1,
    users: [primary, { suffix: 'ann', key: 1, access: 'limited', expired: false }],
  }));

export function grants(fleet: Fleet): Grant[] {
  return fleet.flatMap(({ name, incarnation, exists, enabled, users }) =>
    exists && enabled
      ? users
          .filter(({ expired }) => !expired)
          .map(({ suffix, key, access }) => ({ name, incarnation, suffix, key, access }))
      : [],
  );
}

export const holds = (fleet: Fleet, grant: Grant): boolean =>
  grants(fleet).some(
    ({ name, incarnation, suffix, key, access }) =>
      name === grant.name &&
      incarnation === grant.incarnation &&
      suffix === grant.suffix &&
      key === grant.key &&
      access === grant.access,
  );

type Changed = Access | undefined;
type Kind = (access: Access, random: Random) => Changed;

const pick = <T>(all: readonly T[], random: Random): T | undefined => all[random.below(Math.max(1, all.length))];

/** Changes one user; the primary is always there, with role root. */
const ofUser =
  (changed: (user: User, random: Random) => User | undefined, mayBePrimary: boolean): Kind =>
  (access, random) => {
    const chosen = pick(
      access.users.filter(({ suffix }) => mayBePrimary || suffix !== ''),
      random,
    );
    const successor = chosen && changed(chosen, random);
    return successor && { ...access, users: access.users.map((user) => (user === chosen ? successor : user)) };
  };

/** Each answers what becomes of the access; undefined: it does not apply to it. */
const CHANGES: Readonly<Record<string, Kind>> = {
  toggle: (access) => ({ ...access, enabled: !access.enabled }),
  'add user': (access, random) => {
    const suffix = pick(
      SUFFIXES.filter((each) => access.users.every((user) => user.suffix !== each)),
      random,
    );
    if (suffix === undefined) return undefined;
    const role = pick(['root', 'limited'] as const, random) ?? 'limited';
    const user: User = { suffix, key: random.below(KEYS), access: role, expired: false };
    return { ...access, users: [...access.users, user] };
  },
  'remove user': (access, random) => {
    const gone = pick(
      access.users.filter(({ suffix }) => suffix !== ''),
      random,
    );
    return gone && { ...access, users: access.users.filter((user) => user !== gone) };
  },
  'change key': ofUser((user, random) => ({ ...user, key: (user.key + 1 + random.below(KEYS - 1)) % KEYS }), true),
  'change access': ofUser((user) => ({ ...user, access: user.access === 'root' ? 'limited' : 'root' }), false),
  expire: ofUser((user) => ({ ...user, expired: !user.expired }), false),
  scale: (access) => ({ ...access, replicas: 3 - access.replicas }),
  delete: (access) => ({ ...access, exists: false }),
};

export const KINDS = [...Object.keys(CHANGES), 'create'];

/**
 * One random change of one access.
 * @returns which, and the fleet that is wished for from now on
 */
export function change(fleet: Fleet, random: Random): { kind: string; name: string; fleet: Fleet } {
  for (;;) {
    const access = pick(fleet, random);
    if (access === undefined) throw new Error('a fleet of none');
    const kind = access.exists ? (pick(Object.keys(CHANGES), random) ?? '') : 'create';
    const changed = access.exists
      ? CHANGES[kind]?.(access, random)
      : { ...access, exists: true, incarnation: access.incarnation + 1 };
    if (changed === undefined) continue;
    return { kind, name: access.name, fleet: fleet.map((each) => (each === access ? changed : each)) };
  }
}
