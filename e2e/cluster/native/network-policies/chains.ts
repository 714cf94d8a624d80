/** Isolated pods → rules of iptables. */
import type { Isolation, Passage } from './isolation.ts';
import type { PolicyType } from './objects.ts';

/**
 * A chain for each direction. What comes to its end, or returns, has passed that direction; a packet between two pods goes
 * through both chains. They hang in `mangle`: what it drops never sees `filter`, where kube-proxy puts rules that accept
 * before all others; and addresses of Services are already those of pods there.
 */
export const CHAINS = { Ingress: 'NETWORK-POLICY-IN', Egress: 'NETWORK-POLICY-OUT' } as const satisfies Record<
  PolicyType,
  string
>;

/**
 * Shell that hangs the empty chains into a node's tables, once. The node itself speaks from OUTPUT, and is not asked: probes,
 * and the API server's calls of webhooks, always reach its own pods. The other way Kubernetes lets plugins choose, and many
 * exempt it: here a pod that speaks to the node is asked, because the API server is there, as it would be on another machine.
 */
export const CHAINS_SET_UP = [
  ...Object.values(CHAINS).map((chain) => `-N ${chain}`),
  `-A FORWARD -j ${CHAINS.Egress}`,
  `-A FORWARD -j ${CHAINS.Ingress}`,
  `-A INPUT -j ${CHAINS.Egress}`,
]
  .map((rule) => `iptables -w -t mangle ${rule}`)
  .join('\n');

/** The input of `iptables-restore --noflush`, which replaces what is in the chains in one step, and nothing else. */
export function chains(isolations: Readonly<Record<PolicyType, readonly Isolation[]>>): string {
  return [
    '*mangle',
    ...Object.values(CHAINS).map((chain) => `:${chain} - [0:0]`),
    ...rules(CHAINS.Ingress, isolations.Ingress, { pod: '-d', peer: '-s' }),
    ...rules(CHAINS.Egress, isolations.Egress, { pod: '-s', peer: '-d' }),
    'COMMIT',
    '',
  ].join('\n');
}

function rules(chain: string, isolations: readonly Isolation[], side: { pod: string; peer: string }): string[] {
  if (isolations.length === 0) return [];
  const ofPods = isolations.flatMap(({ address, passages }) => [
    // Nothing keeps a pod from itself, which it may reach through a Service.
    `${side.pod} ${address} ${side.peer} ${address} -j RETURN`,
    ...passages.map((passage) => `${side.pod} ${address} ${side.peer} ${passage.cidr}${matchOf(passage)} -j RETURN`),
    `${side.pod} ${address} -j DROP`,
  ]);
  // Replies pass: who may begin is what policies say.
  return ['-m conntrack --ctstate ESTABLISHED,RELATED -j RETURN', ...ofPods].map((rule) => `-A ${chain} ${rule}`);
}

const matchOf = ({ ports }: Passage): string =>
  ports === undefined ? '' : ` -p ${ports.protocol.toLowerCase()} --dport ${ports.first}:${ports.last}`;
