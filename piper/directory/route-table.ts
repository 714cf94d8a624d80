import { createHash } from 'node:crypto';
import {
  type Kick,
  MOST_KEYS_OF_ROUTE,
  ROUTE_SECRET_KEYS,
  Route,
  type RouteUser,
  type SessionPolicy,
} from '../../crds/index.ts';
import type { AuthorizedLine } from '../../lib/ssh/keys/authorization.ts';
import { type AuthorizedKey, parseAuthorizedKeys } from '../../lib/ssh/keys/authorized-keys.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { PublicKey } from '../../lib/ssh/keys/public-key.ts';

/** How the pods of a route are reached, and known. */
export type Way = {
  readonly route: Omit<Route, 'users' | 'hostKeys' | 'kicks'>;
  readonly hostKeys: readonly PublicKey[];
  readonly mappingKey: PrivateKey;
};

/** A key of a user's. `written` stands for its options as they were written: of two that mean the same, they may differ. */
export type KeyLine = AuthorizedLine & { readonly written: string };

/** What a username stands for. */
export type Login = Way & {
  readonly user: Omit<RouteUser, 'authorizedKeys'>;
  readonly keys: readonly KeyLine[];
  /** Milliseconds since the epoch; Infinity where the access does not end. */
  readonly expiresAt: number;
  /** Sessions that began before it were ended; milliseconds since the epoch, 0 where none were. */
  readonly kickedBefore: number;
};

/** A route, with the logins that it would grant. */
export type RouteLogins = { way: Way; logins: readonly Login[] };

/** Usernames that stand for something else now, with what they stood for before. */
export type FormerLogins = ReadonlyMap<string, Login | undefined>;

/** What is wrong with a Secret; it holds no secret. */
export type RouteProblem = { secret: string; problem: string; username?: string };

/** `digest` tells whether the Secret is the one that we know; its text would be the larger part of the table. */
type Source = RouteLogins & { digest: string };

/**
 * Username to login, built from route Secrets. A look-up is one Map access; a change touches the entries of one Secret.
 * A Secret that does not parse grants nothing, and neither does a username that two Secrets claim.
 */
export class RouteTable {
  readonly #sources = new Map<string, Source>();
  readonly #claims = new Map<string, readonly Login[]>();
  readonly #policies = new SharedPolicies();
  readonly #report: (problem: RouteProblem) => void;

  constructor(report: (problem: RouteProblem) => void) {
    this.#report = report;
  }

  /** Number of Secrets that grant something. */
  get size(): number {
    return this.#sources.size;
  }

  /** All of them, those without users, too. */
  routes(): Iterable<RouteLogins> {
    return this.#sources.values();
  }

  lookup(username: string): Login | undefined {
    const claims = this.#claims.get(username);
    return claims?.length === 1 ? claims[0] : undefined;
  }

  /** Takes the data of one Secret in; returns the usernames that now stand for something else. */
  set(secret: string, data: Readonly<Record<string, string>>): FormerLogins {
    const text = data[ROUTE_SECRET_KEYS.route] ?? '';
    const mappingKeyPem = data[ROUTE_SECRET_KEYS.mappingKey] ?? '';
    const digest = createHash('sha256')
      .update(JSON.stringify([text, mappingKeyPem]))
      .digest('base64');
    const known = this.#sources.get(secret);
    if (known?.digest === digest) return new Map();
    const parsed = this.#parse(secret, text, mappingKeyPem);
    const former = this.#formerOf([...(known?.logins ?? []), ...(parsed?.logins ?? [])]);
    this.remove(secret);
    if (parsed === undefined) return former;
    this.#sources.set(secret, { digest, ...parsed });
    for (const login of parsed.logins) this.#claim(secret, login);
    return former;
  }

  /** Forgets one Secret; returns the usernames that now stand for something else. */
  remove(secret: string): FormerLogins {
    const logins = this.#sources.get(secret)?.logins ?? [];
    const former = this.#formerOf(logins);
    for (const login of logins) {
      const { username } = login.user;
      const others = (this.#claims.get(username) ?? []).filter((other) => other !== login);
      if (others.length === 0) this.#claims.delete(username);
      else this.#claims.set(username, others);
    }
    this.#sources.delete(secret);
    return former;
  }

  #formerOf(logins: readonly Login[]): FormerLogins {
    return new Map(logins.map(({ user }) => [user.username, this.lookup(user.username)]));
  }

  #claim(secret: string, login: Login): void {
    const { username } = login.user;
    const claims = [...(this.#claims.get(username) ?? []), login];
    this.#claims.set(username, claims);
    // The operator lets only one SshAccess own a username. Two owners here: something is wrong, and nobody gets in.
    if (claims.length > 1)
      this.#report({ secret, username, problem: 'claimed by more than one route; all are refused' });
  }

  #parse(secret: string, text: string, mappingKeyPem: string): RouteLogins | undefined {
    try {
      const { users, hostKeys, kicks = [], ...route } = Route.parse(JSON.parse(text));
      const way = new RouteWay(route, hostKeys, mappingKeyPem);
      const within = withinKeysOfRoute(users);
      if (within !== users)
        this.#report({ secret, problem: `more than ${MOST_KEYS_OF_ROUTE} keys; the rest is not read` });
      const logins = within.map((user) => this.#login(secret, way, user, kickedBefore(user, kicks)));
      const names = new Set(logins.map(({ user }) => user.username));
      if (names.size !== logins.length) throw new Error('two users have the same username');
      return { way, logins };
    } catch (error) {
      // Messages of zod, JSON.parse and the key parsers name what is wrong; JSON.parse may quote, but route.json holds
      // nothing secret.
      this.#report({ secret, problem: error instanceof Error ? error.message : 'unreadable' });
      return undefined;
    }
  }

  #login(secret: string, way: Way, { authorizedKeys, ...user }: RouteUser, kickedAt: number): Login {
    const { keys, problems } = parseAuthorizedKeys(authorizedKeys.join('\n'));
    for (const { code, message } of problems) {
      this.#report({ secret, username: user.username, problem: `authorized key refused (${code}): ${message}` });
    }
    const expiresAt = user.expiresAt === undefined ? Infinity : Date.parse(user.expiresAt);
    // An end that we cannot read is an end that has passed.
    if (Number.isNaN(expiresAt)) {
      this.#report({ secret, username: user.username, problem: 'expiresAt is no RFC 3339 time; treated as expired' });
    }
    const policy = this.#policies.share(user.policy);
    // Without the texts that they were read from.
    const lines = keys.map((line) => ({ key: line.key, options: line.options, written: digestOfOptions(line) }));
    const times = { expiresAt: Number.isNaN(expiresAt) ? 0 : expiresAt, kickedBefore: kickedAt };
    return new RouteLogin(way, { ...user, policy }, lines, times);
  }
}

const kickedBefore = ({ username }: RouteUser, kicks: readonly Kick[]): number =>
  Math.max(0, ...kicks.filter((kick) => kick.username === username).map(({ before }) => Date.parse(before)));

/** The operator bounds them, too. */
function withinKeysOfRoute(users: RouteUser[]): RouteUser[] {
  let room = MOST_KEYS_OF_ROUTE;
  const cut = users.map((user) => {
    const authorizedKeys = user.authorizedKeys.slice(0, Math.max(0, room));
    room -= user.authorizedKeys.length;
    return { ...user, authorizedKeys };
  });
  return room < 0 ? cut : users;
}

/** Short, where there are any: they may be as long as the line may be. */
function digestOfOptions({ key, bare }: AuthorizedKey): string {
  const options = bare.slice(0, -key.toLine().length);
  return options === '' ? '' : createHash('sha256').update(options).digest('base64');
}

/** What is the same for all users of a route is there once. */
class RouteLogin implements Login {
  readonly user: Login['user'];
  readonly keys: Login['keys'];
  readonly expiresAt: number;
  readonly kickedBefore: number;
  readonly #way: Way;

  constructor(way: Way, user: Login['user'], keys: Login['keys'], times: Pick<Login, 'expiresAt' | 'kickedBefore'>) {
    this.#way = way;
    this.user = user;
    this.keys = keys;
    this.expiresAt = times.expiresAt;
    this.kickedBefore = times.kickedBefore;
  }

  get route(): Login['route'] {
    return this.#way.route;
  }
  get hostKeys(): readonly PublicKey[] {
    return this.#way.hostKeys;
  }
  get mappingKey(): PrivateKey {
    return this.#way.mappingKey;
  }
}

/** Keys that are needed where somebody has logged in: they are read to know that they can be, and again when it is so. */
class RouteWay implements Way {
  readonly route: Way['route'];
  readonly #hostKeyLines: readonly string[];
  readonly #mappingKeyPem: string;
  #hostKeys: readonly PublicKey[] | undefined;
  #mappingKey: PrivateKey | undefined;

  /** @throws SshError where one cannot be read */
  constructor(route: Way['route'], hostKeyLines: readonly string[], mappingKeyPem: string) {
    this.route = route;
    for (const line of hostKeyLines) PublicKey.fromLine(line);
    PrivateKey.parse(mappingKeyPem);
    this.#hostKeyLines = hostKeyLines;
    this.#mappingKeyPem = mappingKeyPem;
  }

  get hostKeys(): readonly PublicKey[] {
    return (this.#hostKeys ??= this.#hostKeyLines.map((line) => PublicKey.fromLine(line)));
  }
  get mappingKey(): PrivateKey {
    return (this.#mappingKey ??= PrivateKey.parse(this.#mappingKeyPem));
  }
}

/** Tenants write policies: of many different and of long ones each user keeps their own. */
const MOST_SHARED_POLICIES = 1_000;
const LONGEST_SHARED_POLICY = 2_048;

/** Most users have one of few policies, and an object of each would be the larger part of a user. */
class SharedPolicies {
  readonly #policies = new Map<string, SessionPolicy>();

  share(policy: SessionPolicy): SessionPolicy {
    const text = JSON.stringify(policy);
    const known = this.#policies.get(text);
    if (known !== undefined) return known;
    if (text.length <= LONGEST_SHARED_POLICY && this.#policies.size < MOST_SHARED_POLICIES)
      this.#policies.set(text, policy);
    return policy;
  }
}
