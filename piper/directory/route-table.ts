import { createHash } from 'node:crypto';
import { type Kick, ROUTE_SECRET_KEYS, Route, type RouteUser, type SessionPolicy } from '../../crds/index.ts';
import type { AuthorizedLine } from '../../lib/ssh/keys/authorization.ts';
import { parseAuthorizedKeys } from '../../lib/ssh/keys/authorized-keys.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { PublicKey } from '../../lib/ssh/keys/public-key.ts';

/** What a username stands for. */
export type Login = {
  readonly route: Omit<Route, 'users' | 'hostKeys' | 'kicks'>;
  readonly user: Omit<RouteUser, 'authorizedKeys'>;
  readonly keys: readonly AuthorizedLine[];
  /** Milliseconds since the epoch; Infinity where the access does not end. */
  readonly expiresAt: number;
  /** Sessions that began before it were ended; milliseconds since the epoch, 0 where none were. */
  readonly kickedBefore: number;
  readonly hostKeys: readonly PublicKey[];
  readonly mappingKey: PrivateKey;
};

/** Usernames that stand for something else now, with what they stood for before. */
export type FormerLogins = ReadonlyMap<string, Login | undefined>;

/** What is wrong with a Secret; it holds no secret. */
export type RouteProblem = { secret: string; problem: string; username?: string };

/** `digest` tells whether the Secret is the one that we know; its text would be the larger part of the table. */
type Source = { digest: string; logins: readonly Login[] };

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
    const logins = this.#parse(secret, text, mappingKeyPem);
    const former = this.#formerOf([...(known?.logins ?? []), ...(logins ?? [])]);
    this.remove(secret);
    if (logins === undefined) return former;
    this.#sources.set(secret, { digest, logins });
    for (const login of logins) this.#claim(secret, login);
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

  #parse(secret: string, text: string, mappingKeyPem: string): Login[] | undefined {
    try {
      const { users, hostKeys, kicks = [], ...route } = Route.parse(JSON.parse(text));
      const keys = new RouteKeys(hostKeys, mappingKeyPem);
      const logins = users.map((user) => this.#login(secret, { route, keys }, user, kickedBefore(user, kicks)));
      const names = new Set(logins.map(({ user }) => user.username));
      if (names.size !== logins.length) throw new Error('two users have the same username');
      return logins;
    } catch (error) {
      // Messages of zod, JSON.parse and the key parsers name what is wrong; JSON.parse may quote, but route.json holds
      // nothing secret.
      this.#report({ secret, problem: error instanceof Error ? error.message : 'unreadable' });
      return undefined;
    }
  }

  #login(secret: string, entry: RouteEntry, { authorizedKeys, ...user }: RouteUser, kickedAt: number): Login {
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
    const lines = keys.map(({ key, options }) => ({ key, options }));
    const times = { expiresAt: Number.isNaN(expiresAt) ? 0 : expiresAt, kickedBefore: kickedAt };
    return new RouteLogin(entry, { ...user, policy }, lines, times);
  }
}

const kickedBefore = ({ username }: RouteUser, kicks: readonly Kick[]): number =>
  Math.max(0, ...kicks.filter((kick) => kick.username === username).map(({ before }) => Date.parse(before)));

/** What is the same for all users of a route. */
type RouteEntry = { readonly route: Login['route']; readonly keys: RouteKeys };

class RouteLogin implements Login {
  readonly user: Login['user'];
  readonly keys: Login['keys'];
  readonly expiresAt: number;
  readonly kickedBefore: number;
  readonly #entry: RouteEntry;

  constructor(
    entry: RouteEntry,
    user: Login['user'],
    keys: Login['keys'],
    times: Pick<Login, 'expiresAt' | 'kickedBefore'>,
  ) {
    this.#entry = entry;
    this.user = user;
    this.keys = keys;
    this.expiresAt = times.expiresAt;
    this.kickedBefore = times.kickedBefore;
  }

  get route(): Login['route'] {
    return this.#entry.route;
  }
  get hostKeys(): readonly PublicKey[] {
    return this.#entry.keys.hostKeys;
  }
  get mappingKey(): PrivateKey {
    return this.#entry.keys.mappingKey;
  }
}

/** Keys that are needed where somebody has logged in: they are read to know that they can be, and again when it is so. */
class RouteKeys {
  readonly #hostKeyLines: readonly string[];
  readonly #mappingKeyPem: string;
  #hostKeys: readonly PublicKey[] | undefined;
  #mappingKey: PrivateKey | undefined;

  /** @throws SshError where one cannot be read */
  constructor(hostKeyLines: readonly string[], mappingKeyPem: string) {
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
