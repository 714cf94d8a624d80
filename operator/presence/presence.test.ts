/** The operator, told by pipers who is there. */
import { expect, test } from 'vitest';
import type { SessionReport } from '../../crds/index.ts';
import { at, soon, useOperator } from '../testing/rig.ts';

const rig = useOperator();
const LOGIN = '2026-01-01T11:00:00Z';
const reportAt = (name: string) => `/apis/sshaccess.dev/v1alpha1/namespaces/sys/sessionreports/${name}`;

type Users = Record<string, number>;

/** The replica `name` says that these have so many sessions on the route. */
function report(name: string, uid: string, users: Users, changes: Partial<SessionReport> = {}): void {
  const entries = Object.entries(users).map(([username, sessions]) => ({
    username,
    sessions,
    connections: sessions,
    lastLogin: LOGIN,
  }));
  const renewedAt = new Date().toISOString();
  const spec = { renewedAt, truncated: false, routes: [{ uid, users: entries }], ...changes };
  const { metadata } = rig.server.get(reportAt(name)) ?? { metadata: {} };
  rig.server.put(reportAt(name), { metadata, spec });
}

const sessions = (name = 'web') => rig.statusOf(name)?.activeSessions;
const statusWrites = () => rig.writes().filter((line) => line.endsWith('/status')).length;

test('two replicas sum up, a third that is gone does not, and the last login stays', async () => {
  rig.pace = { accessMs: 0 };
  const uid = rig.putAccess('web');
  await rig.startOperator();
  await soon(() => expect(sessions()).toBe(0));
  report('piper-1', uid, { 'acme-web': 2 });
  report('piper-2', uid, { 'acme-web': 1 });
  await soon(() => expect(sessions()).toBe(3));
  expect(rig.statusOf('web')).toMatchObject({ lastLogin: LOGIN, users: [{ activeSessions: 3, lastLogin: LOGIN }] });
  rig.server.remove(reportAt('piper-1'));
  await soon(() => expect(sessions()).toBe(1));
  report('piper-2', uid, {});
  await soon(() => expect(sessions()).toBe(0));
  expect(rig.statusOf('web')).toMatchObject({ lastLogin: LOGIN, users: [{ activeSessions: 0, lastLogin: LOGIN }] });
});

test('a username of another SshAccess, another uid or a future login is no news', async () => {
  rig.pace = { accessMs: 0 };
  const uid = rig.putAccess('web');
  const other = rig.putAccess('api');
  await rig.startOperator();
  await soon(() => expect([sessions(), sessions('api')]).toEqual([0, 0]));
  report('piper-1', uid, { 'acme-api': 7, 'acme-web': 0 });
  report('piper-2', 'no-uid', { 'acme-web': 7 });
  report('piper-3', other, { 'acme-api': 1 }, { routes: [userOfFuture(other)] });
  await soon(() => expect(sessions('api')).toBe(1));
  await rig.quiet();
  expect(sessions()).toBe(0);
  expect(rig.statusOf('api')?.lastLogin).toBeUndefined();
});

const userOfFuture = (uid: string) => ({
  uid,
  users: [{ username: 'acme-api', sessions: 1, connections: 1, lastLogin: '2099-01-01T00:00:00Z' }],
});

test('a piper that falls silent is forgotten after 90 s, and one that was silent before we came', async () => {
  rig.pace = { accessMs: 0, expireMs: 50 };
  const uid = rig.putAccess('web');
  await rig.startOperator();
  report('piper-1', uid, { 'acme-web': 2 });
  await soon(() => expect(sessions()).toBe(2));
  await rig.stopOperator();
  // While nobody looks, both go; one leaves its report behind.
  report('piper-2', uid, { 'acme-web': 5 }, { renewedAt: '2026-01-01T00:00:00Z' });
  rig.server.remove(reportAt('piper-1'));
  await rig.startOperator();
  await soon(() => expect(sessions()).toBe(0));
  report('piper-2', uid, { 'acme-web': 5 });
  await soon(() => expect(sessions()).toBe(5));
  rig.clock = () => new Date(Date.now() + 91_000);
  await soon(() => expect(sessions()).toBe(0));
});

test('however much comes and goes, it is one write for as long as it takes, and no look at anything else', async () => {
  rig.pace = { accessMs: 3_600_000 };
  const uid = rig.putAccess('web');
  await rig.startOperator();
  await soon(() => expect(sessions()).toBe(0));
  await rig.quiet();
  const [before, requests] = [statusWrites(), rig.server.requests.length];
  for (let round = 1; round <= 50; round++) {
    report('piper-1', uid, { 'acme-web': round });
    await new Promise((resolve) => setImmediate(resolve));
  }
  await rig.quiet();
  // One at once, and the next in an hour.
  expect(statusWrites() - before).toBe(1);
  expect(rig.server.requests.length - requests).toBe(1);
});

test('of many changes the last is what stays', async () => {
  rig.pace = { accessMs: 200 };
  const uid = rig.putAccess('web');
  await rig.startOperator();
  for (let round = 1; round <= 20; round++) {
    report('piper-1', uid, { 'acme-web': round });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await soon(() => expect(sessions()).toBe(20));
});

test('many SshAccesses wait for each other: ten writes a second, and all come to it', async () => {
  const names = Array.from({ length: 8 }, (_, index) => `many-${index}`);
  const uids = names.map((name) => rig.putAccess(name));
  await rig.startOperator();
  await soon(() => expect(names.map((name) => sessions(name))).toEqual(names.map(() => 0)));
  await rig.quiet();
  const began = performance.now();
  const routes = names.map((name, index) => ({
    uid: uids[index] ?? '',
    users: [{ username: `acme-${name}`, sessions: 1, connections: 1, lastLogin: LOGIN }],
  }));
  report('piper-1', '', {}, { routes });
  await soon(() => expect(names.map((name) => sessions(name))).toEqual(names.map(() => 1)));
  // A bound that a slow machine keeps, too.
  expect(performance.now() - began).toBeGreaterThan(600);
});

test('an API server that does not know SessionReports keeps nobody out', async () => {
  rig.server.fail(1_000, 404, /sessionreports/);
  rig.putAccess('web');
  await rig.startOperator();
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('WaitingForPods'));
  expect(sessions()).toBeUndefined();
});

test('what somebody else writes into status is put right', async () => {
  rig.pace = { accessMs: 0 };
  const uid = rig.putAccess('web');
  await rig.startOperator();
  report('piper-1', uid, { 'acme-web': 2 });
  await soon(() => expect(sessions()).toBe(2));
  await rig.quiet();
  const stored = rig.server.get(at('web'));
  rig.server.put(at('web'), { ...stored, status: { ...rig.statusOf('web'), activeSessions: 99, runtime: 'none' } });
  await soon(() => expect(rig.statusOf('web')).toMatchObject({ activeSessions: 2, runtime: 'sidecar' }));
});
