import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ASSERT_IDENTITY, END_ACCESS, type Route } from '../crds/index.ts';
import { MSG } from '../lib/ssh/numbers.ts';
import { Reader } from '../lib/ssh/wire.ts';
import * as say from './testing/messages.ts';
import type { RawClient } from './testing/raw-client.ts';
import { keys, startRig, type Line, type Rig } from './testing/rig.ts';

const next = async (from: { received: { take: () => Promise<Buffer> } }): Promise<string> =>
  say.describeMessage(await from.received.take());

const endOf = (rig: Rig): Line | undefined => rig.lines.find((line) => line['event'] === 'end');

const CHANGES: Record<string, (route: Route) => Partial<Route>> = {
  'the user is removed': ({ users }) => ({ users: users.slice(1) }),
  'the key is replaced': ({ users }) => ({
    users: users.map((user) => ({ ...user, authorizedKeys: [keys.bob.publicKey.toLine()] })),
  }),
  'the role changes': ({ users }) => ({
    users: users.map((user) => ({ ...user, role: 'limited' as const })),
  }),
  'the policy becomes narrower': ({ users }) => ({
    users: users.map((user, index) => (index === 0 ? { ...user, policy: { ...user.policy, maxSessions: 1 } } : user)),
  }),
  'another SshAccess owns the name': () => ({ uid: 'u-2' }),
  'access is switched off': () => ({ enabled: false }),
  'it has expired': ({ users }) => ({
    users: users.map((user, index) => (index === 0 ? { ...user, expiresAt: '2020-01-01T00:00:00Z' } : user)),
  }),
};

test.each(Object.entries(CHANGES))('E1: %s: both ends are closed within a second', async (_what, change) => {
  const rig = await startRig();
  const client = await rig.login();
  const link = await rig.pod.links.take();
  const since = performance.now();
  rig.setRoute(change(rig.route));
  const error = await client.closed.promise;
  const podsError = await link.closed.promise;
  expect(performance.now() - since).toBeLessThan(1_000);
  const [, reason] = /\[(revoked|disabled|expired), connection [0-9a-f]{16}\]/.exec(error?.message ?? '') ?? [];
  // The pod is told that it is not just this connection that ends.
  const last = new Reader(await link.received.take(), 1);
  expect([last.name(), last.boolean(), last.utf8()]).toEqual([END_ACCESS, false, reason]);
  expect(podsError?.message).toContain(`: ${reason}`);
  expect(rig.piper.connections.size).toBe(0);
});

test('a kick ends what began before it, and the user may come back', async () => {
  const rig = await startRig();
  const client = await rig.login();
  const username = rig.users[0]?.username ?? '';
  const before = new Date(Date.now() + 1).toISOString();
  await delay(2);
  rig.setRoute({ kicks: [{ username: 'somebody-else', before }] });
  rig.setRoute({ kicks: [{ username, before }] });
  expect((await client.closed.promise)?.message).toMatch(/has ended your sessions; you may log in again \[kicked,/);
  const again = await rig.login();
  rig.setRoute({ kicks: [{ username, before }], banner: 'another change' });
  expect(again.link.transport.closed).toBe(false);
});

test('a policy that becomes wider waits for the next login', async () => {
  const rig = await startRig();
  const client = await rig.login();
  const link = await rig.pod.links.take();
  rig.setRoute({ users: rig.users.map((user) => ({ ...user, policy: { ...user.policy, agentForwarding: true } })) });
  client.send(say.globalRequest('keepalive@openssh.com', true));
  await next(link);
  await rig.login();
  expect((await rig.pod.links.take()).assertion?.policy.agentForwarding).toBe(true);
});

test('E1: only the user who is concerned is disconnected', async () => {
  const rig = await startRig();
  const alice = await rig.login();
  const bob = await rig.login('acme-hello-dev', keys.bob);
  await rig.pod.links.take();
  const link = await rig.pod.links.take();
  rig.setRoute({ users: rig.users.slice(1) });
  await alice.closed.promise;
  bob.send(say.globalRequest('keepalive@openssh.com', true));
  expect(await next(link)).toBe('GLOBAL_REQUEST keepalive@openssh.com');
});

test('another key of the user, added or removed, disturbs nobody', async () => {
  const rig = await startRig();
  const client = await rig.login();
  const link = await rig.pod.links.take();
  const both = [keys.stranger.publicKey.toLine(), keys.alice.publicKey.toLine()];
  rig.setRoute({ users: rig.users.map((user) => ({ ...user, authorizedKeys: both })) });
  rig.setRoute({});
  client.send(say.globalRequest('keepalive@openssh.com', true));
  await next(link);
});

test('E1: a user whose access ends while connected is disconnected at that time', async () => {
  const rig = await startRig();
  const expiresAt = new Date(Date.now() + 400).toISOString();
  rig.setRoute({ users: rig.users.map((user) => ({ ...user, expiresAt })) });
  const client = await rig.login();
  expect((await client.closed.promise)?.message).toContain('[expired,');
  expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(expiresAt));
});

test('an end in a hundred years is no end now', async () => {
  const rig = await startRig();
  rig.setRoute({ users: rig.users.map((user) => ({ ...user, expiresAt: '2126-01-01T00:00:00Z' })) });
  const client = await rig.login();
  await delay(50);
  expect(client.link.transport.closed).toBe(false);
});

test('E1: a client that does not read is cut off too', async () => {
  const rig = await startRig();
  const client = await rig.login();
  const link = await rig.pod.links.take();
  client.socket.pause();
  for (let count = 0; count < 2_000; count++) link.send(say.channelData(1, Buffer.alloc(32_000)));
  const since = performance.now();
  rig.setRoute({ users: [] });
  await link.closed.promise;
  expect(performance.now() - since).toBeLessThan(1_000);
  await expect.poll(() => rig.piper.connections.size, { timeout: 2_000 }).toBe(0);
});

test('E1: a revocation while the pod is being reached ends the login', async () => {
  const rig = await startRig({
    pod: {
      accepts: () => {
        rig.setRoute({ users: [] });
        return true;
      },
    },
  });
  await expect(rig.client().login('acme-hello', keys.alice)).rejects.toThrow('[revoked,');
});

test('A9, E2: what we know is too old: nobody comes in, and nobody stays', { timeout: 30_000 }, async () => {
  const rig = await startRig();
  const client = await rig.login();
  rig.directory.stale = () => true;
  await expect(rig.client().login('acme-hello', keys.alice)).rejects.toThrow('[stale,');
  expect((await client.closed.promise)?.message).toContain('[stale,');
});

test('a pod that goes away is told to the client, and a client that goes away to the pod', async () => {
  const rig = await startRig();
  const first = await rig.login();
  (await rig.pod.links.take()).socket.socket.destroy();
  expect((await first.closed.promise)?.message).toContain('[pod-gone,');
  const second = await rig.login();
  const link = await rig.pod.links.take();
  second.socket.destroy();
  expect(await link.closed.promise).toMatchObject({ code: 'disconnected' });
});

/** Logs in and opens session 3, which is 40 to the pod. */
async function openSession(rig: Rig) {
  const client = await rig.login();
  const link = await rig.pod.links.take();
  client.send(say.channelOpen('session', 3));
  await link.received.take();
  link.send(say.confirmation(3, 40));
  await client.received.take();
  return { client, link };
}

test('D2: refused requests are answered by us, in order, and the pod never sees them', async () => {
  const rig = await startRig();
  const { client, link } = await openSession(rig);
  client.send(say.channelRequest(40, 'pty-req', true, Buffer.alloc(30)));
  client.send(say.channelRequest(40, 'x11-req', true, Buffer.alloc(20)));
  client.send(say.channelRequest(40, 'auth-agent-req@openssh.com', false));
  client.send(say.channelRequest(40, 'shell', true));
  client.send(say.globalRequest('tcpip-forward', true, Buffer.concat([say.text(''), Buffer.alloc(4)])));
  client.send(say.globalRequest(ASSERT_IDENTITY, true, say.text('{"role":"root"}')));
  client.send(say.globalRequest('keepalive@openssh.com', true));
  client.send(say.channelOpen('x11', 9));
  expect([await next(link), await next(link), await next(link)]).toEqual([
    'CHANNEL_REQUEST 40 pty-req',
    'CHANNEL_REQUEST 40 shell',
    'GLOBAL_REQUEST keepalive@openssh.com',
  ]);
  link.send(say.short(MSG.CHANNEL_SUCCESS, 3));
  link.send(say.short(MSG.CHANNEL_SUCCESS, 3));
  link.send(Buffer.of(MSG.REQUEST_SUCCESS));
  const answers: string[] = [];
  for (let count = 0; count < 7; count++) answers.push(await next(client));
  expect(answers).toEqual([
    'REQUEST_FAILURE',
    'REQUEST_FAILURE',
    'CHANNEL_OPEN_FAILURE 9 1',
    'CHANNEL_SUCCESS 3',
    'CHANNEL_FAILURE 3',
    'CHANNEL_SUCCESS 3',
    'REQUEST_SUCCESS',
  ]);
  expect(link.received.size).toBe(0);
});

test('D7: a hostile pod opens nothing, and its host keys and pings do not pass', async () => {
  const rig = await startRig();
  const { client, link } = await openSession(rig);
  link.send(say.globalRequest('hostkeys-00@openssh.com', false, say.text('key')));
  link.send(Buffer.from([192, 0, 0, 0, 0]));
  link.send(say.channelOpen('auth-agent@openssh.com', 5));
  link.send(say.channelData(3, 'hello'));
  expect(await next(client)).toBe('CHANNEL_DATA 3');
  expect(await next(link)).toBe('CHANNEL_OPEN_FAILURE 5 1');
});

test.each([
  ['a client', (client: RawClient) => client.send(say.channelOpen('session', 4, undefined, 0))],
  ['a client again', (client: RawClient) => client.send(say.confirmation(4, 4))],
])('%s that breaks the protocol ends its connection and the one to the pod', async (_who, violate) => {
  const rig = await startRig();
  const { client, link } = await openSession(rig);
  violate(client);
  expect(await client.closed.promise).toMatchObject({ disconnectReason: 2 });
  await link.closed.promise;
  await expect.poll(() => rig.lines.find((line) => line['event'] === 'end')?.['reason']).toBe('protocol');
});

test('a pod that breaks the protocol ends both', async () => {
  const rig = await startRig();
  const { client, link } = await openSession(rig);
  link.send(say.short(MSG.CHANNEL_SUCCESS, 3));
  expect((await client.closed.promise)?.message).toContain('[pod-protocol,');
  expect(await link.closed.promise).toMatchObject({ disconnectReason: 2 });
});

test('D7: a pod that opens channel after channel uninvited is cut off, and the client sees none of them', async () => {
  const rig = await startRig();
  const { client, link } = await openSession(rig);
  for (let count = 0; count < 65; count++) link.send(say.channelOpen('auth-agent@openssh.com', count));
  expect((await client.closed.promise)?.message).toContain('[pod-protocol,');
  expect(client.received.size).toBe(0);
});

test('the last words of a pod are for the record, without what a terminal would heed, and not for the client', async () => {
  const rig = await startRig();
  const { client, link } = await openSession(rig);
  const words = 'all is well\x1b[2J\r\n\u202e[revoked, connection 0123456789abcdef]';
  link.socket.transport.disconnect(11, words);
  const { message } = (await client.closed.promise) ?? { message: '' };
  expect(message).toMatch(/the pod ended the connection.*\[pod-ended, connection [0-9a-f]{16}\]$/);
  expect(message).not.toContain('all is well');
  expect(message).not.toContain('0123456789abcdef');
  await expect.poll(() => endOf(rig)).toBeDefined();
  expect(endOf(rig)).toMatchObject({
    reason: 'pod-ended',
    detail: 'the peer disconnected (reason 11): all is well?[2J???[revoked, connection 0123456789abcdef]',
  });
});

test('E3: what was refused is in the record, with the field of the policy that says so', async () => {
  const rig = await startRig();
  rig.setRoute({ users: rig.users.map((user) => ({ ...user, policy: { ...user.policy, commands: ['uptime'] } })) });
  const { client, link } = await openSession(rig);
  client.send(say.channelRequest(40, 'shell', true));
  client.send(say.channelRequest(40, 'x11-req', false, Buffer.alloc(20)));
  await link.received.take();
  client.close();
  await expect.poll(() => endOf(rig)?.['refused']).toEqual(['shell: commands', 'x11-req: x11Forwarding']);
});

test('C4: a username cannot forge a line of the record', async () => {
  const rig = await startRig();
  const client = rig.client();
  await client.ready;
  client.requestAuthentication();
  client.authenticate('x"}\n{"event":"start","username":"root', keys.alice);
  await client.received.take();
  await client.received.take();
  client.close();
  await expect.poll(() => rig.lines.filter(({ msg }) => msg === 'connection').length).toBe(1);
  expect(rig.lines.some((line) => line['event'] === 'start')).toBe(false);
});
