import { expect, test } from 'vitest';
import { DEFAULT_POLICIES, NO_ACTIVITY } from '../crds/index.ts';
import { MSG } from '../lib/ssh/numbers.ts';
import { FakeClock } from '../lib/ssh/testing/fake-clock.ts';
import { nextEnding } from './lifetime.ts';
import * as say from './testing/messages.ts';
import { startRig } from './testing/rig.ts';

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

async function timedRig(idle: number, longest: number) {
  const clock = new FakeClock();
  const rig = await startRig({ clock });
  rig.setRoute({ users: rig.users.map((user) => ({ ...user, policy: policyOf(idle, longest) })) });
  const client = await rig.login();
  const link = await rig.pod.links.take();
  return { rig, client, link, pass: (seconds: number) => clock.pass(seconds * 1000) };
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

test('a warning that the pod announces is shown, and does not keep the connection', async () => {
  const { client, link, pass } = await timedRig(3_600, 0);
  client.send(say.channelOpen('session', 3));
  await link.received.take();
  link.send(say.confirmation(3, 40));
  pass(3_540);
  link.send(say.channelRequest(3, NO_ACTIVITY, false));
  link.send(say.channelData(3, 'ends in a minute'));
  for (const expected of ['CHANNEL_OPEN_CONFIRMATION 3 40', 'CHANNEL_DATA 3'])
    expect(say.describeMessage(await client.received.take())).toBe(expected);
  pass(60);
  expect((await client.closed.promise)?.message).toContain('[idle,');
});

test('the data after a warning does', async () => {
  const { rig, client, link, pass } = await timedRig(3_600, 0);
  client.send(say.channelOpen('session', 3));
  await link.received.take();
  link.send(say.confirmation(3, 40));
  pass(3_540);
  link.send(say.channelRequest(3, NO_ACTIVITY, false));
  for (const text of ['ends in a minute', 'not so']) link.send(say.channelData(3, text));
  for (let count = 0; count < 3; count++) await client.received.take();
  pass(3_540);
  expect(rig.piper.connections.size).toBe(1);
});

test('a connection that has ended leaves no timer', async () => {
  const clock = new FakeClock();
  const rig = await startRig({ clock });
  const before = clock.waiting;
  const client = await rig.login();
  await rig.pod.links.take();
  expect(clock.waiting).toBe(before + 1);
  client.close();
  await expect.poll(() => clock.waiting).toBe(before);
});
