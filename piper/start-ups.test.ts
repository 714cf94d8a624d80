import { expect, test } from 'vitest';
import { plainAddress, sourceOf, StartUps } from './start-ups.ts';

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

test('places are limited in all and per source, and come back once', () => {
  const startUps = new StartUps({ startUps: 3, startUpsPerSource: 2 });
  const first = startUps.take('192.0.2.1');
  expect(first).toBeDefined();
  expect(startUps.take('192.0.2.1')).toBeDefined();
  expect(startUps.take('192.0.2.1')).toBeUndefined();
  expect(startUps.take('192.0.2.2')).toBeDefined();
  expect(startUps.take('192.0.2.3')).toBeUndefined();
  first?.();
  first?.();
  expect(startUps.count).toBe(2);
  expect(startUps.take('192.0.2.3')).toBeDefined();
  expect(startUps.take('192.0.2.4')).toBeUndefined();
});
