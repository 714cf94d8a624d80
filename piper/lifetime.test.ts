import { afterEach, expect, test } from 'vitest';
import { DEFAULT_POLICIES } from '../crds/index.ts';
import { MSG } from '../lib/ssh/numbers.ts';
import { nextEnding } from './lifetime.ts';
import * as say from './testing/messages.ts';
import { keys, startRig, type Rig } from './testing/rig.ts';

const ages = { connectedMs: 5_000, idleMs: 2_000, untilExpiryMs: Infinity };
const policyOf = (idleTimeoutSeconds: number, maxDurationSeconds: number) => ({
  ...DEFAULT_POLICIES.root,
  idleTimeoutSeconds,
  maxDurationSeconds,
});

test.each([
  [0, 0, Infinity, undefined],
  [60, 0, Infinity, { code: 'idle', inMs: 58_000 }],
  [0, 60, Infinity, { code: 'session-too-long', inMs: 55_000 }],
  [60, 60, Infinity, { code: 'session-too-long', inMs: 55_000 }],
  [60, 0, 1_000, { code: 'expired', inMs: 1_000 }],
  [2, 0, Infinity, { code: 'idle', inMs: 0 }],
  [0, 4, 1_000, { code: 'session-too-long', inMs: -1_000 }],
])('idle %i s, longest %i s, expiry in %d ms: what ends first', (idle, longest, untilExpiryMs, expected) => {
  expect(nextEnding(policyOf(idle, longest), { ...ages, untilExpiryMs })).toEqual(expected);
});

const rigs: Rig[] = [];
afterEach(async () => {
  await Promise.all(rigs.splice(0).map((rig) => rig.stop()));
});

/** A rig whose clock stands still unless it is turned, and looks at it only when it is asked to, or after an hour. */
async function timedRig(idle: number, longest: number) {
  const clock = { now: 1_000_000 };
  const rig = await startRig({ clock: () => clock.now });
  rigs.push(rig);
  rig.setRoute({ users: rig.users.map((user) => ({ ...user, policy: policyOf(idle, longest) })) });
  const client = await rig.login();
  const link = await rig.pod.links.take();
  const pass = (seconds: number): void => {
    clock.now += seconds * 1000;
    rig.piper.connections.recheckAll();
  };
  return { rig, client, link, pass };
}

test.each([
  ['of the client', MSG.CHANNEL_DATA, 'client'],
  ['of the pod', MSG.CHANNEL_DATA, 'link'],
  ['on stderr', MSG.CHANNEL_EXTENDED_DATA, 'link'],
] as const)('data %s keeps an idle connection', async (_whose, type, from) => {
  const rigged = await timedRig(3_600, 0);
  const [sender, receiver] = from === 'client' ? [rigged.client, rigged.link] : [rigged.link, rigged.client];
  for (let round = 0; round < 3; round++) {
    rigged.pass(3_000);
    sender.send(say.short(type, 3));
    await receiver.received.take();
  }
  expect(rigged.rig.piper.connections.size).toBe(1);
  rigged.pass(3_600);
  expect((await rigged.client.closed.promise)?.message).toMatch(/nothing has passed.*\[idle, connection/);
});

test('keepalives, window adjusts and requests do not keep it', async () => {
  const { client, link, pass, rig } = await timedRig(3_600, 0);
  pass(3_000);
  client.send(say.globalRequest('keepalive@openssh.com', true));
  client.send(say.short(MSG.CHANNEL_WINDOW_ADJUST, 3));
  client.send(say.channelOpen('session', 3));
  for (let count = 0; count < 3; count++) await link.received.take();
  pass(600);
  expect((await client.closed.promise)?.message).toContain('[idle,');
  // It is not the end of the user's access: nothing is killed.
  expect((await link.closed.promise)?.message).toContain(': idle');
  expect(link.received.size).toBe(0);
  await expect.poll(() => rig.lines.find((line) => line['event'] === 'end')?.['reason']).toBe('idle');
});

test('a connection ends when it has lasted as long as it may, whatever passes', async () => {
  const { client, link, pass } = await timedRig(0, 7_200);
  pass(7_100);
  client.send(say.short(MSG.CHANNEL_DATA, 3));
  await link.received.take();
  pass(100);
  expect((await client.closed.promise)?.message).toContain('[session-too-long,');
  await link.closed.promise;
  expect(link.received.size).toBe(0);
});

test('the timer fires by itself', async () => {
  const rig = await startRig();
  rigs.push(rig);
  rig.setRoute({ users: rig.users.map((user) => ({ ...user, policy: policyOf(1, 0) })) });
  const client = await rig.login('acme-hello-dev', keys.bob);
  expect((await client.closed.promise)?.message).toContain('[idle,');
});
