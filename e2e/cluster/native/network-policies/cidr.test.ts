import { BlockList } from 'node:net';
import { expect, test } from 'vitest';
import { without } from './cidr.ts';

test('a block is itself, from its first address on', () => {
  expect(without('10.1.2.3/16', [])).toEqual(['10.1.0.0/16']);
  expect(without('0.0.0.0/0', [])).toEqual(['0.0.0.0/0']);
  expect(without('192.0.2.7/32', [])).toEqual(['192.0.2.7/32']);
});

test('what is excepted is cut out of it, in as few blocks as there can be', () => {
  expect(without('192.0.2.0/24', ['192.0.2.0/25'])).toEqual(['192.0.2.128/25']);
  expect(without('192.0.2.0/30', ['192.0.2.2/32'])).toEqual(['192.0.2.0/31', '192.0.2.3/32']);
  expect(without('192.0.2.0/24', ['192.0.0.0/16'])).toEqual([]);
  expect(without('192.0.2.0/24', ['203.0.113.0/24'])).toEqual(['192.0.2.0/24']);
});

test('several are, and each address is where it belongs', () => {
  const except = ['128.0.0.0/1', '10.0.0.0/8', '10.9.0.0/16', '127.255.255.255/32'];
  const list = new BlockList();
  for (const cidr of without('0.0.0.0/0', except)) {
    const [address = '', length] = cidr.split('/');
    list.addSubnet(address, Number(length));
  }
  for (const address of ['0.0.0.0', '9.255.255.255', '11.0.0.0', '127.255.255.254']) {
    expect(list.check(address), address).toBe(true);
  }
  for (const address of ['10.0.0.0', '10.9.1.1', '10.255.255.255', '127.255.255.255', '128.0.0.0', '255.255.255.255']) {
    expect(list.check(address), address).toBe(false);
  }
});

test('of IPv6 there is nothing here', () => {
  expect(without('2001:db8::/32', [])).toEqual([]);
  expect(without('192.0.2.0/24', ['2001:db8::/32'])).toEqual(['192.0.2.0/24']);
});
