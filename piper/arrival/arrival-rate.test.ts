/** B4: how often strangers may make us exchange keys. */
import { expect, test } from 'vitest';
import { FakeClock } from '../../lib/ssh/testing/fake-clock.ts';
import { keys, startRig } from '../testing/rig.ts';
import { ArrivalRate } from './arrival-rate.ts';
import { Networks } from './networks.ts';

const LIMITS = { startUps: 10, startUpsPerSource: 4, strangersPerSecond: 5, strangersPerSecondAndSource: 2 };
const EXEMPT = '192.0.2.99';
const [HERE, THERE, ELSEWHERE] = ['192.0.2.1', '192.0.2.2', '192.0.2.3'];

function rateOf() {
  const clock = { time: 0 };
  const rate = new ArrivalRate({ limits: LIMITS, exempt: new Networks(EXEMPT), now: () => clock.time });
  const admitted = (address: string, times: number): number =>
    Array.from({ length: times }, () => rate.admit(address)).filter((arrival) => arrival !== undefined).length;
  return { rate, clock, admitted };
}

test('B4: a source comes so often at once, then so often in a second, and costs no other anything', () => {
  const { clock, admitted } = rateOf();
  expect(admitted(HERE, 100)).toBe(4);
  expect(admitted(THERE, 3)).toBe(3);
  clock.time += 1_500;
  expect(admitted(HERE, 100)).toBe(3);
  clock.time += 3_600_000;
  expect(admitted(HERE, 100)).toBe(4);
});

test('B4: one customer of IPv6 is one source', () => {
  const { rate } = rateOf();
  const admitted = Array.from({ length: 50 }, (_, host) => rate.admit(`2001:db8:1:2::${host}`)).filter(Boolean);
  expect(admitted).toHaveLength(4);
});

test('B4: an address that stands for many is held by the rate of all alone', () => {
  const { rate, clock, admitted } = rateOf();
  expect(admitted(EXEMPT, 100)).toBe(LIMITS.startUps);
  clock.time += 60_000;
  // Nor does a login of one of the many open it to all.
  rate.admit(EXEMPT)?.loggedIn();
  expect(admitted(EXEMPT, 100)).toBe(LIMITS.startUps);
});

test('B4: users do not count, however many share an address', () => {
  const { rate, admitted } = rateOf();
  for (let user = 0; user < 100; user++) {
    const arrival = rate.admit(HERE);
    expect(arrival).toBeDefined();
    arrival?.loggedIn();
  }
  expect(admitted(HERE, 100)).toBe(4);
});

test('B4: a flood from everywhere keeps newcomers out, and not a source from which somebody has logged in', () => {
  const { rate, clock, admitted } = rateOf();
  rate.admit(HERE)?.loggedIn();
  for (let host = 0; host < 100; host++) rate.admit(`198.51.100.${host}`);
  expect(admitted(THERE, 1)).toBe(0);
  expect(admitted(HERE, 100)).toBe(4);
  clock.time += 1_000;
  // As many in a second as there may be of all.
  expect(Array.from({ length: 100 }, (_, host) => rate.admit(`203.0.113.${host}`)).filter(Boolean)).toHaveLength(5);
  clock.time += 3_600_000;
  for (let host = 0; host < 100; host++) rate.admit(`198.51.100.${host}`);
  expect(admitted(HERE, 1)).toBe(0);
});

test('B4: who is let in for being known gives nothing back that they have not taken: a flood does not gain by it', () => {
  const { rate, admitted } = rateOf();
  rate.admit(HERE)?.loggedIn();
  for (let host = 0; host < 100; host++) rate.admit(`198.51.100.${host}`);
  for (let login = 0; login < 50; login++) rate.admit(HERE)?.loggedIn();
  expect(admitted(THERE, 1)).toBe(0);
});

test('B4: 60,000 sources are forgotten in the order in which they came last', () => {
  const { rate, clock } = rateOf();
  for (let time = 0; time < 4; time++) rate.admit(HERE);
  for (let source = 0; source < 60_000; source++) {
    clock.time += 1_000;
    rate.admit(`10.0.${source >> 8}.${source & 255}`);
  }
  expect(rate.admit(ELSEWHERE)).toBeDefined();
});

test('B4: strangers of one address are closed before a word of ours, and a user of another logs in meanwhile', async () => {
  const clock = new FakeClock();
  const limits = { startUps: 50, startUpsPerSource: 5, strangersPerSecond: 10, strangersPerSecondAndSource: 1 };
  const rig = await startRig({ clock, limits });
  const from = (localAddress: string) => ({ localAddress });
  const strangers = Array.from({ length: 30 }, () => rig.client(from('127.0.0.31')));
  const outcomes = await Promise.all(
    strangers.map(({ ready, closed }) => Promise.race([ready.then(() => 'served'), closed.promise.then(() => 'shut')])),
  );
  expect(outcomes.filter((outcome) => outcome === 'served')).toHaveLength(5);
  for (let login = 0; login < 10; login++) await rig.login('acme-hello-dev', keys.bob, from('127.0.0.32')).then(close);
  const metrics = await rig.piper.metrics.registry.metrics();
  expect(metrics).toContain('sshaccess_piper_connections_ended_total{reason="arrival-rate",program="piper"} 25\n');
  expect(rig.lines.filter(({ reason }) => reason === 'arrival-rate')).toHaveLength(25);
  clock.pass(2_000);
  await rig.client(from('127.0.0.31')).ready;
});

const close = (client: { close: () => void }): void => client.close();
