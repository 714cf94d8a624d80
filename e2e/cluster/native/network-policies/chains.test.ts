import { expect, test } from 'vitest';
import { chains, CHAINS_SET_UP } from './chains.ts';

test('nobody is closed: the chains are there, and empty', () => {
  expect(chains({ Ingress: [], Egress: [] })).toBe(
    '*mangle\n:NETWORK-POLICY-IN - [0:0]\n:NETWORK-POLICY-OUT - [0:0]\nCOMMIT\n',
  );
});

test('replies pass, then what each pod may; all else that is its own is dropped', () => {
  const ports = { protocol: 'TCP', first: 1, last: 2221 } as const;
  const Ingress = [{ address: '10.244.0.2', passages: [{ cidr: '10.244.0.3/32' }, { cidr: '0.0.0.0/0', ports }] }];
  const Egress = [{ address: '10.244.0.4', passages: [] }];
  expect(chains({ Ingress, Egress }).split('\n').slice(3, -2)).toEqual([
    '-A NETWORK-POLICY-IN -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN',
    '-A NETWORK-POLICY-IN -d 10.244.0.2 -s 10.244.0.2 -j RETURN',
    '-A NETWORK-POLICY-IN -d 10.244.0.2 -s 10.244.0.3/32 -j RETURN',
    '-A NETWORK-POLICY-IN -d 10.244.0.2 -s 0.0.0.0/0 -p tcp --dport 1:2221 -j RETURN',
    '-A NETWORK-POLICY-IN -d 10.244.0.2 -j DROP',
    '-A NETWORK-POLICY-OUT -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN',
    '-A NETWORK-POLICY-OUT -s 10.244.0.4 -d 10.244.0.4 -j RETURN',
    '-A NETWORK-POLICY-OUT -s 10.244.0.4 -j DROP',
  ]);
});

test('a pod that speaks to the node is asked, the node that speaks to a pod is not', () => {
  expect(CHAINS_SET_UP).toContain('-A INPUT -j NETWORK-POLICY-OUT');
  expect(CHAINS_SET_UP).not.toContain('OUTPUT ');
});
