/** What people see with `kubectl describe`: the Events of a piper. */
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { EventRecorder } from '../lib/kube/event-recorder.ts';
import { TestApiServer } from '../lib/kube/testing/api-server.ts';
import { createLogger } from '../lib/process/logger.ts';
import { FakeClock } from '../lib/ssh/testing/fake-clock.ts';
import { BanEvents } from './abuse/ban-events.ts';
import type { Ban } from './abuse/failures.ts';
import { eventBudget } from './event-budget.ts';
import { REFUSALS } from './refusals.ts';
import { keys, startRig } from './testing/rig.ts';
import { KubernetesWitness } from './witness.ts';

const SYSTEM = '/apis/events.k8s.io/v1/namespaces/sys/events';
const TENANT = '/apis/events.k8s.io/v1/namespaces/acme/events';
vi.setConfig({ testTimeout: 60_000 });
const soon = <T>(read: () => T) => expect.poll(read, { timeout: 30_000, interval: 20 });
const server = new TestApiServer();
beforeAll(() => server.start());
afterAll(() => server.stop());
beforeEach(() => {
  for (const path of [SYSTEM, TENANT])
    for (const { metadata } of server.list(path)) server.remove(`${path}/${metadata.name}`);
});

const events = (): EventRecorder =>
  new EventRecorder({
    client: server.client(),
    controller: 'sshaccess.dev/piper',
    instance: 'piper-0',
    log: createLogger('piper', { level: 'silent' }),
    // Time stands still: nothing but the burst.
    hasRoom: eventBudget(() => 0),
  });
const told = (reason: string) => server.list(TENANT).filter((event) => event['reason'] === reason);

test('B3: a pod with another host key is an Event about the SshAccess, once however often it happens', async () => {
  const witness = new KubernetesWitness(events(), undefined);
  const rig = await startRig({ pod: { hostKey: keys.stranger }, witness });
  for (let time = 0; time < 3; time++) await expect(rig.login()).rejects.toThrow('host-key-mismatch');
  await soon(() => server.list(TENANT)).toHaveLength(1);
  expect(server.list(TENANT)[0]).toMatchObject({
    type: 'Warning',
    reason: 'HostKeyMismatch',
    // The first of them, by which `kubectl sshaccess why` finds the record.
    note: expect.stringMatching(/ \(connection [0-9a-f]{16}\)$/),
    regarding: { kind: 'SshAccess', namespace: 'acme', name: 'hello', uid: 'u-1' },
  });
  expect(server.list(TENANT)[0]?.['note']).toContain(
    `acme-hello was refused: ${REFUSALS['host-key-mismatch'].sentence} (`,
  );
});

test('a stranger, and a session that ends, are none', async () => {
  const witness = new KubernetesWitness(events(), undefined);
  const rig = await startRig({ witness });
  await expect(rig.login('acme-hello', keys.stranger)).rejects.toThrow();
  const client = await rig.login();
  (await rig.pod.links.take()).socket.close();
  await client.closed.promise;
  rig.setPods([]);
  await expect(rig.login()).rejects.toThrow('no-pods');
  await soon(() => server.list(TENANT).map((event) => event['reason'])).toEqual(['LoggedIn', 'NoPods']);
});

test('a login is an Event that names its key and its connection, and so is the end of access', async () => {
  const witness = new KubernetesWitness(events(), undefined);
  const rig = await startRig({ witness });
  await rig.login();
  await soon(() => told('LoggedIn')).toHaveLength(1);
  const { fingerprint } = keys.alice.publicKey;
  const [{ id } = { id: '' }] = rig.piper.connections.presences();
  expect(told('LoggedIn')[0]).toMatchObject({
    type: 'Normal',
    note: `acme-hello logged in with the key ${fingerprint} (connection ${id})`,
    regarding: { kind: 'SshAccess', namespace: 'acme', name: 'hello', uid: 'u-1' },
  });
  rig.setRoute({ users: [] });
  await soon(() => told('AccessEnded')).toHaveLength(1);
  expect(told('AccessEnded')[0]).toMatchObject({
    type: 'Normal',
    note: `acme-hello was sent away: access was revoked: your user, key, role or policy on this workload has changed (connection ${id})`,
  });
});

test('a kick is an Event that says who was sent away', async () => {
  const witness = new KubernetesWitness(events(), undefined);
  const rig = await startRig({ witness });
  const client = await rig.login();
  const [{ id, username } = { id: '', username: '' }] = rig.piper.connections.presences();
  rig.setRoute({ kicks: [{ username, before: new Date(Date.now() + 60_000).toISOString() }] });
  await client.closed.promise;
  await soon(() => told('Kicked')).toMatchObject([
    {
      type: 'Normal',
      note: `acme-hello was sent away: ${REFUSALS.kicked.sentence} (connection ${id})`,
    },
  ]);
});

test('many logins are few Events, and hide nothing else', async () => {
  const witness = new KubernetesWitness(events(), undefined);
  const rig = await startRig({ witness, limits: { connectionsPerUser: 100 } });
  for (let login = 0; login < 12; login++) await rig.login();
  rig.setRoute({ enabled: false });
  await soon(() => told('AccessEnded')).toHaveLength(10);
  expect(told('LoggedIn')).toHaveLength(10);
});

test('bans that come together are one Event about our own pod', async () => {
  const clock = new FakeClock();
  const regarding = { apiVersion: 'v1', kind: 'Pod', namespace: 'sys', name: 'piper-0', uid: 'u-9' };
  const witness = new KubernetesWitness(events(), new BanEvents(events(), regarding, clock));
  const ban = (source: string): Ban => ({ id: '1', source, username: 'x"\n', failures: 6, since: 0, until: 900_000 });
  for (let host = 1; host <= 50; host++) witness.banned(ban(`192.0.2.${host}`));
  clock.pass(30_000);
  await soon(() => server.list(SYSTEM)).toHaveLength(1);
  expect(server.list(SYSTEM)[0]).toMatchObject({
    reason: 'SourceBanned',
    note: '192.0.2.1 is banned from logins as "x\\"\\n" until 1970-01-01T00:15:00.000Z, after 6 that failed, and 49 others; GET /bans on the admin port of this pod lists them',
  });
  witness.banned(ban('192.0.2.99'));
  clock.pass(30_000);
  await soon(() => server.list(SYSTEM)).toHaveLength(2);
});
