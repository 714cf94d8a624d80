import { expect, test } from 'vitest';
import { clusterNames } from './names.ts';

const many = [
  'demo',
  'test',
  'webhook',
  'sidecar',
  'operator',
  'piper',
  'a',
  'a-b',
  'ab',
  'a-rather-long-cluster-name',
];

test('clusters of different names share nothing that this machine can see', () => {
  const all = many.map((name) => clusterNames(name));
  for (const key of ['folder', 'initProgram', 'cgroup', 'hostLink', 'hostAddress', 'nodeAddress'] as const) {
    expect(new Set(all.map((names) => names[key])).size, key).toBe(many.length);
  }
});

test('the same name always means the same', () => {
  expect(clusterNames('demo')).toEqual(clusterNames('demo'));
});

test('a link name fits into the 15 characters that Linux gives it', () => {
  const longest = clusterNames('x'.repeat(32));
  expect(longest.hostLink.length).toBeLessThanOrEqual(15);
  expect(clusterNames('twelve-chars').hostLink).toBe('sa-twelve-chars');
});

test('an address that somebody else has is left to them', () => {
  const wish = clusterNames('demo');
  const other = clusterNames('demo', new Set([wish.hostAddress]));
  expect(other.hostAddress).not.toBe(wish.hostAddress);
  expect(other.nodeAddress).toMatch(/^198\.1[89]\.\d+\.\d+$/);
});

test('both ends of the link are the two hosts of one /30', () => {
  const last = (address: string): number => Number(address.split('.')[3]);
  for (const { hostAddress, nodeAddress } of many.map((name) => clusterNames(name))) {
    expect(last(hostAddress) % 4).toBe(1);
    expect(last(nodeAddress)).toBe(last(hostAddress) + 1);
  }
});

test.each(['', 'Demo', '-demo', 'demo-', '../demo', 'de mo', 'x'.repeat(33)])('"%s" is refused as a name', (name) => {
  expect(() => clusterNames(name)).toThrow(/is no cluster name: use/);
});
