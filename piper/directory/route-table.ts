import { ROUTE_SECRET_KEYS, Route, type RouteUser } from '../../crds/index.ts';
import { type AuthorizedKey, parseAuthorizedKeys } from '../../lib/ssh/keys/authorized-keys.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { PublicKey } from '../../lib/ssh/keys/public-key.ts';

/** Everything of a route that is the same for all of its users, parsed. */
export type RouteEntry = { route: Route; hostKeys: readonly PublicKey[]; mappingKey: PrivateKey };

/** What a username stands for. */
export type Login = RouteEntry & {
  user: RouteUser;
  keys: readonly AuthorizedKey[];
  /** Milliseconds since the epoch; Infinity where the access does not end. */
  expiresAt: number;
};

/** What is wrong with a Secret; it holds no secret. */
export type RouteProblem = { secret: string; problem: string; username?: string };

type Source = { text: string; mappingKeyPem: string; logins: readonly Login[] };

/**
 * Username to login, built from route Secrets. A look-up is one Map access; a change touches the entries of one Secret.
 * A Secret that does not parse grants nothing, and neither does a username that two Secrets claim.
 */
export class RouteTable {
  readonly #sources = new Map<string, Source>();
  readonly #claims = new Map<string, Map<string, Login>>();
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
    if (claims === undefined || claims.size !== 1) return undefined;
    return claims.values().next().value;
  }

  /** Takes the data of one Secret in; returns the usernames that now stand for something else. */
  set(secret: string, data: Readonly<Record<string, string>>): Set<string> {
    const text = data[ROUTE_SECRET_KEYS.route] ?? '';
    const mappingKeyPem = data[ROUTE_SECRET_KEYS.mappingKey] ?? '';
    const known = this.#sources.get(secret);
    if (known?.text === text && known.mappingKeyPem === mappingKeyPem) return new Set();
    const changed = this.remove(secret);
    const logins = this.#parse(secret, text, mappingKeyPem);
    if (logins === undefined) return changed;
    this.#sources.set(secret, { text, mappingKeyPem, logins });
    for (const login of logins) {
      this.#claim(secret, login);
      changed.add(login.user.username);
    }
    return changed;
  }

  /** Forgets one Secret; returns the usernames that now stand for something else. */
  remove(secret: string): Set<string> {
    const changed = new Set<string>();
    for (const { user } of this.#sources.get(secret)?.logins ?? []) {
      const claims = this.#claims.get(user.username);
      claims?.delete(secret);
      if (claims?.size === 0) this.#claims.delete(user.username);
      changed.add(user.username);
    }
    this.#sources.delete(secret);
    return changed;
  }

  #claim(secret: string, login: Login): void {
    const { username } = login.user;
    const claims = this.#claims.get(username) ?? new Map<string, Login>();
    claims.set(secret, login);
    this.#claims.set(username, claims);
    // The operator lets only one SshAccess own a username. Two owners here: something is wrong, and nobody gets in.
    if (claims.size > 1) this.#report({ secret, username, problem: 'claimed by more than one route; all are refused' });
  }

  #parse(secret: string, text: string, mappingKeyPem: string): Login[] | undefined {
    try {
      const route = Route.parse(JSON.parse(text));
      const hostKeys = route.hostKeys.map((line) => PublicKey.fromLine(line));
      const entry = { route, hostKeys, mappingKey: PrivateKey.parse(mappingKeyPem) };
      const logins = route.users.map((user) => this.#login(secret, entry, user));
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

  #login(secret: string, entry: RouteEntry, user: RouteUser): Login {
    const { keys, problems } = parseAuthorizedKeys(user.authorizedKeys.join('\n'));
    for (const { code, message } of problems) {
      this.#report({ secret, username: user.username, problem: `authorized key refused (${code}): ${message}` });
    }
    const expiresAt = user.expiresAt === undefined ? Infinity : Date.parse(user.expiresAt);
    // An end that we cannot read is an end that has passed.
    if (Number.isNaN(expiresAt)) {
      this.#report({ secret, username: user.username, problem: 'expiresAt is no RFC 3339 time; treated as expired' });
    }
    return { ...entry, user, keys, expiresAt: Number.isNaN(expiresAt) ? 0 : expiresAt };
  }
}
