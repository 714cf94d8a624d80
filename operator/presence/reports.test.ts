import { expect, test } from 'vitest';
import { latestLogin, parseReport, Reports, type Report } from './reports.ts';

const NOW = Date.parse('2026-01-01T12:00:00Z');
const at = (ms: number): string => new Date(NOW + ms).toISOString();

type Users = Record<string, [sessions: number, lastLogin: string]>;

/** What the replica `name` says, as the API server hands it out. */
const report = (name: string, routes: Record<string, Users>, renewedAt = at(0)): Report =>
  parseReport({
    metadata: { name },
    spec: {
      renewedAt,
      truncated: false,
      fromTheFuture: 'is no concern of ours',
      routes: Object.entries(routes).map(([uid, users]) => ({
        uid,
        users: Object.entries(users).map(([username, [sessions, lastLogin]]) => ({
          username,
          sessions,
          connections: sessions,
          lastLogin,
        })),
      })),
    },
  });

const LOGIN = '2026-01-01T11:00:00Z';

test('replicas are summed up by route and username, and the newest login counts', () => {
  const reports = new Reports();
  expect(reports.set(report('a', { u1: { alice: [2, LOGIN], bob: [0, LOGIN] } }), NOW)).toEqual(['u1']);
  const second = report('b', { u1: { alice: [1, '2026-01-01T11:30:00Z'] }, u2: { alice: [5, LOGIN] } });
  expect(reports.set(second, NOW)).toEqual(['u1', 'u2']);
  expect([...reports.of('u1', NOW)]).toEqual([
    ['alice', { sessions: 3, lastLogin: '2026-01-01T11:30:00Z' }],
    ['bob', { sessions: 0, lastLogin: LOGIN }],
  ]);
  expect(reports.of('u2', NOW).get('alice')?.sessions).toBe(5);
  expect(reports.of('u3', NOW).size).toBe(0);
});

test('only what has changed is somebody to look at', () => {
  const reports = new Reports();
  reports.set(report('a', { u1: { alice: [1, LOGIN] }, u2: { bob: [1, LOGIN] } }), NOW);
  expect(reports.set(report('a', { u1: { alice: [1, LOGIN] }, u2: { bob: [1, LOGIN] } }, at(1_000)), NOW)).toEqual([]);
  expect(reports.set(report('a', { u1: { alice: [1, LOGIN] }, u3: { bob: [1, LOGIN] } }, at(2_000)), NOW)).toEqual([
    'u2',
    'u3',
  ]);
  expect(reports.remove('a')).toEqual(['u1', 'u3']);
  expect(reports.remove('a')).toEqual([]);
});

test('a replica that is silent for 90 s is not believed, until it speaks again', () => {
  const reports = new Reports();
  const says = (ms: number) => report('a', { u1: { alice: [1, LOGIN] } }, at(ms));
  const sessions = (ms: number) => reports.of('u1', NOW + ms).get('alice')?.sessions;
  reports.set(says(0), NOW);
  expect(reports.expire(NOW + 89_999)).toEqual([]);
  expect(sessions(89_999)).toBe(1);
  expect(reports.expire(NOW + 90_000)).toEqual(['u1']);
  expect(sessions(90_000)).toBeUndefined();
  expect(reports.set(says(0), NOW + 95_000)).toEqual([]);
  expect(reports.set(says(100_000), NOW + 100_000)).toEqual(['u1']);
  expect(sessions(100_000)).toBe(1);
});

test('a report that was left behind is not believed at first sight; one of a piper whose clock is wrong is, once renewed', () => {
  const reports = new Reports();
  const says = (ms: number) => report('a', { u1: { alice: [1, LOGIN] } }, at(ms));
  expect(reports.set(says(-3_600_000), NOW)).toEqual([]);
  expect(reports.expire(NOW + 10_000)).toEqual([]);
  expect(reports.set(says(-3_570_000), NOW + 30_000)).toEqual(['u1']);
  // One that is ahead is believed for no longer than others.
  reports.set(report('b', { u2: { bob: [1, LOGIN] } }, at(86_400_000)), NOW);
  expect(reports.expire(NOW + 90_000)).toEqual(['u2']);
});

test('nobody has logged in in the future, and who says so hides no other login', () => {
  expect(latestLogin([undefined, LOGIN, at(60_001)], NOW)).toBe(LOGIN);
  expect(latestLogin([LOGIN, at(60_000)], NOW)).toBe(at(60_000));
  expect(latestLogin([at(60_001)], NOW)).toBeUndefined();
  const reports = new Reports();
  reports.set(report('a', { u1: { alice: [1, '2030-01-01T00:00:00Z'] } }), NOW);
  reports.set(report('b', { u1: { alice: [1, LOGIN] } }), NOW);
  expect(reports.of('u1', NOW).get('alice')).toEqual({ sessions: 2, lastLogin: LOGIN });
});

test.each([{ sessions: -1 }, { sessions: 0.5 }, { sessions: 2_000_000 }, { lastLogin: 'yesterday' }, { username: 7 }])(
  'a report with %j is none',
  (changes) => {
    const user = { username: 'alice', sessions: 1, connections: 1, lastLogin: LOGIN, ...changes };
    const spec = { renewedAt: at(0), truncated: false, routes: [{ uid: 'u1', users: [user] }] };
    expect(() => parseReport({ metadata: { name: 'a' }, spec })).toThrow();
  },
);

test('the host keys of all replicas that are believed count, each once', () => {
  const reports = new Reports();
  const knownBy = (name: string, hostKeys: readonly string[]): Report => ({ ...report(name, {}), hostKeys });
  reports.set(knownBy('a', ['ssh-ed25519 AAAA']), NOW);
  reports.set(knownBy('b', ['ssh-ed25519 BBBB', 'ssh-ed25519 AAAA']), NOW);
  expect(reports.hostKeys()).toEqual(['ssh-ed25519 AAAA', 'ssh-ed25519 BBBB']);
  reports.remove('b');
  expect(reports.hostKeys()).toEqual(['ssh-ed25519 AAAA']);
});

test.each(['ssh-ed25519 AAAA\n* ssh-ed25519 BBBB', '@cert-authority * AAAA', 'ssh-ed25519'])(
  'a host key of %j is none: it would be a line in somebody’s known_hosts',
  (line) => {
    const spec = { renewedAt: at(0), truncated: false, routes: [], hostKeys: [line] };
    expect(() => parseReport({ metadata: { name: 'a' }, spec })).toThrow();
  },
);
