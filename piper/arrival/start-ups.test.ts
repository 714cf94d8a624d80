import { expect, test } from 'vitest';
import { plainAddress, sourceOf } from './source.ts';
import { StartUps } from './start-ups.ts';

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:DB8:01:0002::9', '2001:db8:1:2::/64'],
  ['2001:db8::9', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
])('%s counts as %s', (address, source) => {
  expect(sourceOf(address)).toBe(source);
});

test('an IPv4 client of a dual-stack listener is an IPv4 client', () => {
  expect(plainAddress('::ffff:192.0.2.1')).toBe('192.0.2.1');
  expect(plainAddress('2001:db8::1')).toBe('2001:db8::1');
});

/** Takes a place each for these addresses; `dropped` has who had to go, in order. */
function startUpsOf(limits: { startUps: number; startUpsPerSource: number }) {
  const startUps = new StartUps(limits);
  const dropped: string[] = [];
  const take = (address: string, name = address) => startUps.take(address, () => void dropped.push(name));
  return { startUps, dropped, take };
}

test('B4: a source that is at its limit pays with its own oldest', () => {
  const { startUps, dropped, take } = startUpsOf({ startUps: 10, startUpsPerSource: 2 });
  take('192.0.2.1', 'first');
  take('192.0.2.1', 'second');
  take('192.0.2.2');
  take('192.0.2.1', 'third');
  take('192.0.2.1', 'fourth');
  expect(dropped).toEqual(['first', 'second']);
  expect(startUps.count).toBe(3);
});

test('B4: with all places taken, whoever has the most pays: a single source never keeps others out', () => {
  const { startUps, dropped, take } = startUpsOf({ startUps: 4, startUpsPerSource: 3 });
  take('192.0.2.7', 'honest');
  for (const name of ['a', 'b', 'c']) take('192.0.2.9', name);
  take('192.0.2.8', 'another');
  take('192.0.2.6', 'a third');
  expect(dropped).toEqual(['a', 'b']);
  // All have one: the oldest.
  take('192.0.2.5');
  expect(dropped).toEqual(['a', 'b', 'honest']);
  expect(startUps.count).toBe(4);
});

test('a place comes back once, also from who was dropped', () => {
  const { startUps, dropped, take } = startUpsOf({ startUps: 2, startUpsPerSource: 1 });
  const first = take('192.0.2.1');
  const second = take('192.0.2.1');
  first();
  first();
  expect(startUps.count).toBe(1);
  second();
  second();
  expect(startUps.count).toBe(0);
  take('192.0.2.2');
  take('192.0.2.3');
  expect(dropped).toEqual(['192.0.2.1']);
});
