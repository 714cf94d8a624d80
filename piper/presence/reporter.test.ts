/** A piper with sessions on it tells the API server of them. */
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { SessionReport } from '../../crds/index.ts';
import { TestApiServer } from '../../lib/kube/testing/api-server.ts';
import { createLogger } from '../../lib/process/logger.ts';
import { MSG } from '../../lib/ssh/numbers.ts';
import { FakeClock } from '../../lib/ssh/testing/fake-clock.ts';
import { serveAdmin } from '../abuse/admin.ts';
import { channelOpen } from '../testing/messages.ts';
import { obliging } from '../testing/obliging-pod.ts';
import type { RawClient } from '../testing/raw-client.ts';
import { keys, startRig, type Rig } from '../testing/rig.ts';
import { SessionReporter } from './reporter.ts';

const REPORT = '/apis/sshaccess.dev/v1alpha1/namespaces/sys/sessionreports/piper-0';
const NOW = Date.parse('2026-01-01T00:00:00Z');
const server = new TestApiServer();
beforeAll(() => server.start());
afterAll(() => server.stop());
beforeEach(() => {
  server.remove(REPORT);
  server.requests.length = 0;
});

vi.setConfig({ testTimeout: 60_000 });
const soon = <T>(read: () => T) => expect.poll(read, { timeout: 30_000, interval: 20 });

const stored = () => {
  const report = server.get(REPORT);
  return report && SessionReport.parse(report['spec']);
};
const users = () => stored()?.routes.flatMap((route) => route.users) ?? [];
const writes = () => server.requests.filter((line) => line.startsWith('PATCH')).length;

async function reportingRig() {
  const rig = await startRig({ now: () => NOW, pod: { serve: obliging } });
  const clock = new FakeClock();
  const reporter = new SessionReporter({
    client: server.client(),
    pod: { namespace: 'sys', name: 'piper-0', uid: 'u-9' },
    read: () => rig.piper.report(),
    log: createLogger('piper', { level: 'silent' }),
    now: () => NOW,
    clock,
  });
  onTestFinished(async () => {
    await reporter.stop();
    await rig.stop();
  });
  reporter.start();
  /** Lets time pass, and what is done then be done. */
  const pass = async (ms: number): Promise<void> => {
    await soon(() => clock.waiting).toBe(1);
    clock.pass(ms);
    await soon(() => clock.waiting).toBe(1);
  };
  return { rig, clock, reporter, pass };
}

const present = (rig: Rig): number => [...rig.piper.connections.presences()].length;

/** Resolves when the client has reached its pod. */
async function arrive(rig: Rig, ...who: Parameters<Rig['login']>): Promise<RawClient> {
  const before = present(rig);
  const client = await rig.login(...who);
  await soon(() => present(rig)).toBe(before + 1);
  return client;
}

async function leave(rig: Rig, client: RawClient): Promise<void> {
  const before = present(rig);
  client.close();
  await soon(() => present(rig)).toBe(before - 1);
}

async function openSession(rig: Rig): Promise<RawClient> {
  const client = await arrive(rig);
  client.send(channelOpen('session', 0));
  expect((await client.received.take())[0]).toBe(MSG.CHANNEL_OPEN_CONFIRMATION);
  return client;
}

test('nobody is there, somebody comes, somebody goes: each is told, once', async () => {
  const { rig, pass } = await reportingRig();
  await soon(stored).toEqual({
    renewedAt: '2026-01-01T00:00:00Z',
    hostKeys: [expect.stringMatching(/^ssh-ed25519 /)],
    truncated: false,
    routes: [],
  });
  expect(server.get(REPORT)?.metadata).toMatchObject({
    ownerReferences: [{ kind: 'Pod', name: 'piper-0', uid: 'u-9' }],
  });
  const alice = await arrive(rig);
  await arrive(rig, 'acme-hello-dev', keys.bob);
  expect(users()).toEqual([]);
  await pass(5_000);
  const lastLogin = '2026-01-01T00:00:00Z';
  const bob = { username: 'acme-hello-dev', sessions: 1, connections: 1, lastLogin };
  expect(users()).toEqual([{ username: 'acme-hello', sessions: 1, connections: 1, lastLogin }, bob]);
  expect(writes()).toBe(2);
  await pass(5_000);
  expect(writes()).toBe(2);
  await leave(rig, alice);
  await pass(5_000);
  expect(users()).toEqual([{ username: 'acme-hello', sessions: 0, connections: 0, lastLogin }, bob]);
  expect(stored()?.routes[0]?.uid).toBe('u-1');
});

test('however much comes and goes, it is written every five seconds at most, and every thirty at least', async () => {
  const { rig, pass } = await reportingRig();
  await soon(writes).toBe(1);
  for (let login = 0; login < 5; login++) await leave(rig, await arrive(rig));
  for (let second = 0; second < 4; second++) await pass(1_000);
  expect(writes()).toBe(1);
  await pass(1_000);
  expect(writes()).toBe(2);
  for (let second = 0; second < 29; second++) await pass(1_000);
  expect(writes()).toBe(2);
  await pass(1_000);
  expect(writes()).toBe(3);
});

test('an API server that refuses or is away costs nobody a session, and hears of it later', async () => {
  const { rig, clock, pass } = await reportingRig();
  await soon(writes).toBe(1);
  server.fail(3, 403, /sessionreports/);
  const client = await openSession(rig);
  await pass(5_000);
  await server.stop();
  await pass(30_000);
  await server.start();
  expect(client.link.transport.closed).toBe(false);
  await soon(() => {
    clock.pass(30_000);
    return users();
  }).toMatchObject([{ username: 'acme-hello', sessions: 1 }]);
  expect(client.link.transport.closed).toBe(false);
});

test('a piper that stops says who came since its last report', async () => {
  const { rig, reporter } = await reportingRig();
  await soon(writes).toBe(1);
  await leave(rig, await arrive(rig));
  await reporter.stop();
  expect(users()).toMatchObject([{ username: 'acme-hello', sessions: 0 }]);
});

test('the admin port lists who is there', async () => {
  const { rig } = await reportingRig();
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const url = `http://127.0.0.1:${await serveAdmin(0, rig.piper, stop.signal)}/sessions`;
  const sessions = async () => z.array(z.unknown()).parse(await (await fetch(url)).json());
  expect(await sessions()).toEqual([]);
  const client = await openSession(rig);
  expect(await sessions()).toEqual([
    {
      id: expect.stringMatching(/^[0-9a-f]{16}$/),
      username: 'acme-hello',
      role: 'root',
      sshAccess: 'acme/hello',
      uid: 'u-1',
      pod: 'pod-127.0.0.1',
      source: '127.0.0.1',
      since: '2026-01-01T00:00:00.000Z',
      sessions: 1,
    },
  ]);
  client.close();
  await soon(sessions).toEqual([]);
});
