import { expect, test } from 'vitest';
import { MOST_REPORTED_USERS, SessionReport } from '../../crds/index.ts';
import { Logins } from './logins.ts';
import type { Presence } from './presence.ts';
import { reportOf } from './report.ts';

const presence = (uid: string, username: string, changes: Partial<Presence> = {}): Presence => ({
  id: 'c',
  username,
  role: 'root',
  sshAccess: 'acme/hello',
  uid,
  pod: 'hello-1',
  source: '192.0.2.1',
  since: 0,
  sessions: 1,
  ...changes,
});

test('connections and sessions are counted by user, in whatever order they came', () => {
  const here = [
    presence('u2', 'b', { since: 5_000 }),
    presence('u1', 'a', { sessions: 3, since: 9_999 }),
    // Only forwards.
    presence('u1', 'a', { sessions: 0, since: 1_000 }),
    presence('u1', 'A', { since: 2_000 }),
  ];
  const report = reportOf(here, []);
  expect(report).toEqual({
    truncated: false,
    routes: [
      {
        uid: 'u1',
        users: [
          { username: 'A', sessions: 1, connections: 1, lastLogin: '1970-01-01T00:00:02Z' },
          { username: 'a', sessions: 4, connections: 2, lastLogin: '1970-01-01T00:00:09Z' },
        ],
      },
      { uid: 'u2', users: [{ username: 'b', sessions: 1, connections: 1, lastLogin: '1970-01-01T00:00:05Z' }] },
    ],
  });
  expect(reportOf(here.toReversed(), [])).toEqual(report);
});

test('who was there is remembered, with the newest login', () => {
  const logins = new Logins();
  for (const at of [1_000, 3_000]) logins.record({ uid: 'u1', username: 'a', at });
  const gone = reportOf([], logins).routes[0]?.users;
  expect(gone).toEqual([{ username: 'a', sessions: 0, connections: 0, lastLogin: '1970-01-01T00:00:03Z' }]);
  const back = reportOf([presence('u1', 'a', { since: 2_000 })], logins).routes[0]?.users;
  expect(back).toEqual([{ username: 'a', sessions: 1, connections: 1, lastLogin: '1970-01-01T00:00:03Z' }]);
});

test('of too many those are named who are there, then the newest logins', () => {
  const logins = new Logins(3);
  for (let user = 0; user < 9; user++) logins.record({ uid: `u${user}`, username: 'a', at: user * 1_000 });
  const report = reportOf([presence('old', 'a'), presence('older', 'a')], logins, 4);
  expect(report.truncated).toBe(true);
  expect(report.routes.map(({ uid }) => uid)).toEqual(['old', 'older', 'u7', 'u8']);
});

test('the largest report is one that the API server takes and etcd stores', () => {
  const username = 'x'.repeat(191);
  const uid = (user: number) => `00000000-0000-4000-8000-${String(user).padStart(12, '0')}`;
  const here = Array.from({ length: MOST_REPORTED_USERS + 1 }, (_, user) => presence(uid(user), username));
  const report = { renewedAt: '1970-01-01T00:00:00Z', ...reportOf(here, []) };
  expect(SessionReport.safeParse(report).error).toBeUndefined();
  expect(JSON.stringify(report).length).toBeLessThan(1.4 * 2 ** 20);
  expect(report.truncated).toBe(true);
});

test('a tenant who changes usernames all the time makes no report that the API server refuses', () => {
  const logins = new Logins();
  for (let name = 0; name < 1_000; name++) logins.record({ uid: 'u1', username: `acme-${name}`, at: name });
  const report = { renewedAt: '1970-01-01T00:00:00Z', ...reportOf([presence('u1', 'now')], logins) };
  expect(SessionReport.safeParse(report).error).toBeUndefined();
  expect(report.routes[0]?.users.map(({ username }) => username)).toContain('now');
});
