import { BlockList } from 'node:net';
import { expect, test } from 'vitest';
import { makeRandom } from '../testing/random.ts';
import { matchesAddress, parseAddressList, parseNetworkList } from './addresses.ts';

const matches = (list: string, address: string): boolean | undefined => {
  const parsed = parseAddressList(list);
  return parsed === undefined ? undefined : matchesAddress(parsed, address);
};

test.each([
  ['192.0.2.7', '192.0.2.7', true],
  ['192.0.2.7', '192.0.2.70', false],
  ['192.0.2.0/24', '192.0.2.255', true],
  ['192.0.2.0/24', '192.0.3.0', false],
  ['0.0.0.0/0', '203.0.113.9', true],
  ['0.0.0.0/0', '2001:db8::1', false],
  ['::/0', '203.0.113.9', false],
  ['2001:db8::/32', '2001:db8:ffff::1', true],
  ['2001:db8::/32', '2001:db9::1', false],
  ['2001:DB8::1', '2001:db8:0:0:0:0:0:1', true],
  ['::ffff:192.0.2.7', '192.0.2.7', false],
  // What a client of IPv4 looks like at a socket of IPv6, and one on the link.
  ['192.0.2.0/24', '::ffff:192.0.2.7', true],
  ['fe80::/10', 'fe80::1%eth0', true],
  ['192.0.2.*', '192.0.2.7', true],
  ['192.0.2.?', '192.0.2.77', false],
  ['*', '192.0.2.77', true],
  ['*', '2001:db8::1', true],
  ['2001:db8:*', '2001:db8::1', true],
  // Negation excludes wherever it stands, and alone lets nobody in (ssh_config(5), PATTERNS).
  ['!192.0.2.7,192.0.2.0/24', '192.0.2.7', false],
  ['192.0.2.0/24,!192.0.2.7', '192.0.2.7', false],
  ['192.0.2.0/24,!192.0.2.7', '192.0.2.8', true],
  ['!192.0.2.7', '192.0.2.8', false],
  ['192.0.2.0/24', 'not an address', false],
  ['*', '', false],
])('from=%j and %j: %s', (list, address, expected) => {
  expect(matches(list, address)).toBe(expected);
});

test.each([
  '',
  ',',
  '192.0.2.7,',
  '!',
  'ssh.example.com',
  '*.example.com',
  '!*.example.com',
  'bad.cafe',
  'cafe',
  // sshd, too, refuses a network with bits of a host.
  '192.0.2.7/24',
  '2001:db8::1/32',
  '192.0.2.0/33',
  '::/129',
  '192.0.2.0/',
  '192.0.2.0/+8',
  '192.0.2.0/8/8',

  '192.0.2',
  '192.0.2.256',
  '192.0.2.07',
  '10.1',
  ' 192.0.2.7',
  '192.0.2.7 ',
  'fe80::1%eth0',
  '::ffff:1.2.3',
  '!!::1',
  '1.'.repeat(40),
  Array.from({ length: 65 }, () => '::1').join(','),
])('from=%j is refused', (list) => {
  expect(parseAddressList(list)).toBeUndefined();
});

test('source-address takes no wildcards and no negation', () => {
  expect(parseNetworkList('192.0.2.0/24,::1')).toHaveLength(2);
  for (const list of ['*', '192.0.2.*', '!192.0.2.7', '']) expect(parseNetworkList(list)).toBeUndefined();
});

test("any network holds the addresses that Node's own list says it holds", { timeout: 60_000 }, () => {
  const random = makeRandom(6);
  const address = (isV4: boolean): string =>
    isV4
      ? [...random.bytes(4)].join('.')
      : (random.bytes(16).toString('hex').match(/.{4}/g) ?? [])
          .join(':')
          .replace(/(:0000)+/, random.below(2) > 0 ? ':' : '$&');
  let held = 0;
  for (let round = 0; round < 2_000; round++) {
    const isV4 = random.below(2) === 0;
    const prefix = random.below(isV4 ? 33 : 129);
    const inside = address(isV4);
    const list = new BlockList();
    list.addSubnet(inside, prefix, isV4 ? 'ipv4' : 'ipv6');
    // Without the bits of the host, which a list of ours must not have.
    const network = masked(inside, isV4, prefix);
    for (const candidate of [inside, address(isV4)]) {
      const expected = list.check(candidate, isV4 ? 'ipv4' : 'ipv6');
      expect([network, candidate, matches(network, candidate)]).toEqual([network, candidate, expected]);
      if (expected) held++;
    }
  }
  expect(held).toBeGreaterThan(1_900);
});

function masked(address: string, isV4: boolean, prefix: number): string {
  const groups = isV4 ? address.split('.').map(Number) : expand(address);
  const size = isV4 ? 8 : 16;
  const kept = groups.map((group, index) => {
    const bits = Math.min(size, Math.max(0, prefix - index * size));
    return group & ~((1 << (size - bits)) - 1);
  });
  return `${isV4 ? kept.join('.') : kept.map((group) => group.toString(16)).join(':')}/${prefix}`;
}

function expand(address: string): number[] {
  const [left = '', right] = address.split('::');
  const read = (text: string) =>
    text
      .split(':')
      .filter(Boolean)
      .map((group) => Number.parseInt(group, 16));
  const [head, tail] = [read(left), read(right ?? '')];
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail];
}

test('whoever writes the wildcards does not choose how long we look', { timeout: 60_000 }, () => {
  const list = parseAddressList(Array.from({ length: 64 }, () => `${'*?'.repeat(30)}1.9`).join(','));
  expect(list).toHaveLength(64);
  for (let round = 0; round < 1_000; round++)
    expect(matchesAddress(list ?? [], '2001:db8::1111:1111:1111')).toBe(false);
});
