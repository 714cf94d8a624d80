import { expect, test } from 'vitest';
import { Networks } from './networks.ts';

test('networks and single addresses of both families', () => {
  const networks = new Networks('10.0.0.0/8, 192.0.2.7\n2001:db8::/32');
  for (const inside of ['10.1.2.3', '192.0.2.7', '2001:db8:1::9']) expect(networks.contains(inside)).toBe(true);
  for (const outside of ['11.0.0.1', '192.0.2.8', '2001:db9::1', '::1', '', 'nonsense', '10.1.2.3.example'])
    expect(networks.contains(outside)).toBe(false);
});

test('none is none', () => {
  expect(new Networks('').contains('127.0.0.1')).toBe(false);
});

test('all of IPv4 is nothing of IPv6, and the other way round', () => {
  expect(new Networks('0.0.0.0/0').contains('::ffff:192.0.2.1')).toBe(false);
  expect(new Networks('::/0').contains('192.0.2.1')).toBe(false);
});

test.each([
  '10.0.0.0/33',
  '10.0.0/8',
  '::/129',
  '10.0.0.0/',
  '10.0.0.0/8/8',
  '10.0.0.0/-1',
  'fe80::1%eth0',
  'example.org',
])('%s is refused', (text) => {
  expect(() => new Networks(`192.0.2.1,${text}`)).toThrow(text);
});
