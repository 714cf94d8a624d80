/**
 * What NetworkPolicies say of the pods of a node, by the reference of networking.k8s.io/v1: a pod that no policy selects is
 * open; each policy that selects it closes it, in the directions that it is about, to all but what one of them allows.
 */
import { without } from './cidr.ts';
import type { Labels, Namespace, NetworkPolicy, Peer, Pod, PolicyType, Port, Rule, Selector } from './objects.ts';

const LAST_PORT = 65_535;

export type State = {
  readonly policies: readonly NetworkPolicy[];
  readonly pods: readonly Pod[];
  readonly namespaces: readonly Namespace[];
};

/** To or from one block of addresses; without ports: whatever the protocol. The ports are the destination's. */
export type Passage = {
  readonly cidr: string;
  readonly ports?: { readonly protocol: Port['protocol']; readonly first: number; readonly last: number };
};

/** A pod that is closed in one direction, but for what may pass. */
export type Isolation = { readonly address: string; readonly passages: readonly Passage[] };

/** The pods that are closed in that direction. */
export function isolated(direction: PolicyType, state: State): Isolation[] {
  return state.pods.flatMap((pod) => {
    const rules = state.policies
      .filter(({ namespace, podSelector }) => namespace === pod.namespace && selects(podSelector, pod.labels))
      .flatMap((policy) => {
        const allowed = policy.rules[direction];
        return allowed === undefined ? [] : [{ namespace: policy.namespace, allowed }];
      });
    if (rules.length === 0) return [];
    const passages = rules.flatMap(({ namespace, allowed }) =>
      allowed.flatMap((rule) => passagesOf(rule, { direction, pod, namespace, state })),
    );
    return [{ address: pod.address, passages: distinct(passages) }];
  });
}

type Scope = { direction: PolicyType; pod: Pod; namespace: string; state: State };

/** Who is at the other end: addresses, and the pods that have them, as far as they are said to be pods. */
type Place = { readonly cidr: string; readonly pods: readonly Pod[] };

function passagesOf(rule: Rule, { direction, pod, namespace, state }: Scope): Passage[] {
  const peers = direction === 'Ingress' ? rule.from : rule.to;
  const places = peers.length === 0 ? [anywhere(state)] : peers.flatMap((peer) => placesOf(peer, namespace, state));
  if (rule.ports.length === 0) return places.map(({ cidr }) => ({ cidr }));
  return rule.ports.flatMap(({ protocol, port, endPort }) => {
    const range = (first: number, last: number) => ({ protocol, first, last });
    if (typeof port !== 'string') {
      const ports = port === undefined ? range(0, LAST_PORT) : range(port, endPort ?? port);
      return places.map(({ cidr }) => ({ cidr, ports }));
    }
    // Each destination has its own number for a name.
    const named = (destination: Pod, cidr: string): Passage[] =>
      destination.ports
        .filter((each) => each.name === port && each.protocol === protocol)
        .map(({ containerPort }) => ({ cidr, ports: range(containerPort, containerPort) }));
    return places.flatMap(({ cidr, pods }) =>
      direction === 'Ingress' ? named(pod, cidr) : pods.flatMap((each) => named(each, only(each))),
    );
  });
}

const only = ({ address }: Pod): string => `${address}/32`;
const anywhere = ({ pods }: State): Place => ({ cidr: '0.0.0.0/0', pods });

function placesOf(peer: Peer, namespace: string, { pods, namespaces }: State): Place[] {
  if (peer.ipBlock !== undefined) {
    return without(peer.ipBlock.cidr, peer.ipBlock.except).map((cidr) => ({ cidr, pods: [] }));
  }
  const { podSelector, namespaceSelector } = peer;
  const among = new Set(
    namespaceSelector === undefined
      ? [namespace]
      : namespaces.filter(({ labels }) => selects(namespaceSelector, labels)).map(({ name }) => name),
  );
  return pods
    .filter((pod) => among.has(pod.namespace) && (podSelector === undefined || selects(podSelector, pod.labels)))
    .map((pod) => ({ cidr: only(pod), pods: [pod] }));
}

/** An empty selector selects all. */
function selects({ matchLabels, matchExpressions }: Selector, labels: Labels): boolean {
  const has = (key: string): boolean => Object.hasOwn(labels, key);
  return (
    Object.entries(matchLabels).every(([key, value]) => has(key) && labels[key] === value) &&
    matchExpressions.every(({ key, operator, values }) => {
      const isOneOf = has(key) && values.includes(labels[key] ?? '');
      return { In: isOneOf, NotIn: !isOneOf, Exists: has(key), DoesNotExist: !has(key) }[operator];
    })
  );
}

/** Policies that select the same pods often say the same. */
function distinct(passages: readonly Passage[]): Passage[] {
  return [...new Map(passages.map((passage) => [JSON.stringify(passage), passage])).values()];
}
