/** Pure: who is there → what the operator is told. */
import {
  MOST_REPORTED_USERS,
  MOST_REPORTED_USERS_OF_ROUTE,
  type RouteReport,
  type SessionReport,
  type UserReport,
} from '../../crds/index.ts';
import type { LastLogin } from './logins.ts';
import type { Presence } from './presence.ts';

export type ReportContent = Pick<SessionReport, 'hostKeys' | 'routes' | 'truncated'>;

type Entry = { uid: string; username: string; sessions: number; connections: number; lastLogin: number };

/** In an order of its own, so that the same people are the same report. */
export function reportOf(
  presences: Iterable<Presence>,
  logins: Iterable<LastLogin>,
  most = MOST_REPORTED_USERS,
): ReportContent {
  const entries = entriesOf(presences, logins).toSorted(byImportance);
  const routes = new Map<string, Entry[]>();
  let named = 0;
  for (const entry of entries) {
    const users = routes.get(entry.uid) ?? [];
    if (named === most || users.length === MOST_REPORTED_USERS_OF_ROUTE) continue;
    routes.set(entry.uid, [...users, entry]);
    named++;
  }
  return { truncated: named < entries.length, routes: [...routes].map(routeReport).toSorted(byText(({ uid }) => uid)) };
}

function entriesOf(presences: Iterable<Presence>, logins: Iterable<LastLogin>): Entry[] {
  const entries = new Map<string, Entry>();
  const entryOf = (uid: string, username: string): Entry => {
    const key = JSON.stringify([uid, username]);
    const entry = entries.get(key) ?? { uid, username, sessions: 0, connections: 0, lastLogin: 0 };
    entries.set(key, entry);
    return entry;
  };
  for (const { uid, username, at } of logins) entryOf(uid, username).lastLogin = at;
  for (const { uid, username, since, sessions } of presences) {
    const entry = entryOf(uid, username);
    entry.connections++;
    // Whoever only forwards is there, too.
    entry.sessions += Math.max(1, sessions);
    entry.lastLogin = Math.max(entry.lastLogin, since);
  }
  return [...entries.values()];
}

/** Those who are there, then those who were last. */
const byImportance = (left: Entry, right: Entry): number =>
  Number(right.connections > 0) - Number(left.connections > 0) || right.lastLogin - left.lastLogin;

const routeReport = ([uid, entries]: [string, Entry[]]): RouteReport => ({
  uid,
  users: entries.map(userReport).toSorted(byText(({ username }) => username)),
});

const userReport = ({ username, sessions, connections, lastLogin }: Entry): UserReport => ({
  username,
  sessions,
  connections,
  lastLogin: timeOf(lastLogin),
});

const byText =
  <T>(textOf: (item: T) => string) =>
  (left: T, right: T): number =>
    textOf(left) < textOf(right) ? -1 : 1;

/** Kubernetes writes times in whole seconds (metav1.Time). */
export const timeOf = (milliseconds: number): string => `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
