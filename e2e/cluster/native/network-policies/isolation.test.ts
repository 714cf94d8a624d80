/** By what the reference of networking.k8s.io/v1 says, field by field: may this pod begin a connection to that one? */
import { BlockList } from 'node:net';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { isolated, type Isolation } from './isolation.ts';
import { Namespace, NetworkPolicy, Pod } from './objects.ts';

const namespaces = [
  { name: 'shop', team: 'a' },
  { name: 'bank', team: 'a' },
  { name: 'zoo', team: 'b' },
].map(({ name, team }) => Namespace.parse({ metadata: { name, labels: { team, name } } }));

const ADDRESSES = {
  'shop/web': '10.244.0.1',
  'shop/db': '10.244.0.2',
  'bank/web': '10.244.0.3',
  'zoo/web': '10.244.0.4',
  'zoo/db': '10.244.0.5',
} as const;
type Name = keyof typeof ADDRESSES;
const NAMES = Object.keys(ADDRESSES).filter((name): name is Name => Object.hasOwn(ADDRESSES, name));

const pods = NAMES.flatMap((name) => podOf(name) ?? []);

function podOf(name: Name, spec: object = {}, status: object = {}) {
  const [namespace, app] = name.split('/');
  // The same name, another number in each app.
  const ports = [{ name: 'http', containerPort: app === 'web' ? 8080 : 8081 }];
  return Pod.parse({
    metadata: { namespace, name: app, labels: { app } },
    spec: { containers: [{ ports }], ...spec },
    status: { podIP: ADDRESSES[name], ...status },
  });
}

const policy = (namespace: string, spec: string): NetworkPolicy =>
  NetworkPolicy.parse({ metadata: { namespace, name: 'p' }, spec: parse(spec) });

type Packet = { to: Name | `${number}.${number}.${number}.${number}`; port?: number; protocol?: string };
const addressOf = (place: string): string =>
  NAMES.flatMap((name) => (name === place ? ADDRESSES[name] : []))[0] ?? place;

/** What a plugin would do that is told nothing but what `isolated` says. */
function passes(isolations: readonly Isolation[], pod: string, peer: string, { port = 80, protocol = 'TCP' }: Packet) {
  const found = isolations.filter(({ address }) => address === pod);
  expect(found.length).toBeLessThanOrEqual(1);
  return found.every(({ passages }) =>
    passages.some(({ cidr, ports }) => {
      const [address = '', length] = cidr.split('/');
      const block = new BlockList();
      block.addSubnet(address, Number(length));
      const isPort = ports === undefined || (ports.protocol === protocol && ports.first <= port && port <= ports.last);
      return isPort && block.check(peer);
    }),
  );
}

function may(policies: readonly NetworkPolicy[], from: string, packet: Packet, among = pods): boolean {
  const state = { policies, pods: among, namespaces };
  const [source, destination] = [addressOf(from), addressOf(packet.to)];
  return (
    passes(isolated('Egress', state), source, destination, packet) &&
    passes(isolated('Ingress', state), destination, source, packet)
  );
}

/** Who of the others may reach that pod. */
const guestsOf = (policies: readonly NetworkPolicy[], to: Name, port?: number): Name[] =>
  NAMES.filter((from) => from !== to && may(policies, from, port === undefined ? { to } : { to, port }));

/** Whom it may reach. */
const hostsOf = (policies: readonly NetworkPolicy[], from: Name, port?: number): Name[] =>
  NAMES.filter((to) => from !== to && may(policies, from, port === undefined ? { to } : { to, port }));

const others = (name: Name): Name[] => NAMES.filter((each) => each !== name);

describe('who is closed', () => {
  test('nobody, where there is no policy', () => {
    expect(isolated('Ingress', { policies: [], pods, namespaces })).toEqual([]);
    expect(isolated('Egress', { policies: [], pods, namespaces })).toEqual([]);
  });

  test('whom a policy of their own namespace selects; nobody else', () => {
    const policies = [policy('shop', '{ podSelector: { matchLabels: { app: web } }, policyTypes: [Ingress] }')];
    expect(guestsOf(policies, 'shop/web')).toEqual([]);
    for (const name of others('shop/web')) expect(guestsOf(policies, name), name).toEqual(others(name));
    expect(hostsOf(policies, 'shop/web')).toEqual(others('shop/web'));
  });

  test('all of the namespace, by an empty selector', () => {
    const policies = [policy('zoo', '{ podSelector: {}, policyTypes: [Ingress] }')];
    expect(guestsOf(policies, 'zoo/web')).toEqual([]);
    expect(guestsOf(policies, 'zoo/db')).toEqual([]);
    expect(guestsOf(policies, 'shop/web')).toEqual(others('shop/web'));
  });

  test('only in the directions that are said', () => {
    const policies = [policy('shop', '{ podSelector: {}, policyTypes: [Egress] }')];
    expect(hostsOf(policies, 'shop/web')).toEqual([]);
    expect(guestsOf(policies, 'shop/web')).toEqual(['bank/web', 'zoo/web', 'zoo/db']);
  });

  test.each([
    ['{ podSelector: {} }', false, true],
    ['{ podSelector: {}, ingress: [{}] }', true, true],
    ['{ podSelector: {}, egress: [{ to: [{ ipBlock: { cidr: 192.0.2.0/24 } }] }] }', false, false],
    ['{ podSelector: {}, policyTypes: [Egress], egress: [{}] }', true, true],
  ])('policyTypes that are not said: Ingress, and Egress where it has rules: %s', (spec, isEntered, isLeft) => {
    const policies = [policy('shop', spec)];
    expect([may(policies, 'zoo/web', { to: 'shop/web' }), may(policies, 'shop/web', { to: 'zoo/web' })]).toEqual([
      isEntered,
      isLeft,
    ]);
  });

  test('no pod of the node’s own network, none that has ended, none without an address', () => {
    expect(podOf('shop/web', { hostNetwork: true })).toBeUndefined();
    expect(podOf('shop/web', {}, { phase: 'Succeeded' })).toBeUndefined();
    expect(podOf('shop/web', {}, { phase: 'Failed' })).toBeUndefined();
    expect(podOf('shop/web', {}, { podIP: undefined })).toBeUndefined();
    expect(podOf('shop/web', {}, { phase: 'Running' })).toMatchObject({ address: ADDRESSES['shop/web'] });
  });
});

describe('who may pass', () => {
  const from = (...peers: string[]): NetworkPolicy[] => [
    policy('shop', `{ podSelector: { matchLabels: { app: web } }, ingress: [{ from: [${peers.join(', ')}] }] }`),
  ];

  test('pods of the namespace of the policy, by a podSelector alone', () => {
    expect(guestsOf(from('{ podSelector: { matchLabels: { app: db } } }'), 'shop/web')).toEqual(['shop/db']);
    expect(guestsOf(from('{ podSelector: {} }'), 'shop/web')).toEqual(['shop/db']);
  });

  test('all pods of the namespaces, by a namespaceSelector alone', () => {
    expect(guestsOf(from('{ namespaceSelector: { matchLabels: { team: b } } }'), 'shop/web')).toEqual([
      'zoo/web',
      'zoo/db',
    ]);
    expect(guestsOf(from('{ namespaceSelector: {} }'), 'shop/web')).toEqual(others('shop/web'));
  });

  test('of both in one peer, those that are both; of two peers, those that are either', () => {
    const [pod, namespace] = [
      'podSelector: { matchLabels: { app: db } }',
      'namespaceSelector: { matchLabels: { team: b } }',
    ];
    expect(guestsOf(from(`{ ${pod}, ${namespace} }`), 'shop/web')).toEqual(['zoo/db']);
    expect(guestsOf(from(`{ ${pod} }`, `{ ${namespace} }`), 'shop/web')).toEqual(['shop/db', 'zoo/web', 'zoo/db']);
  });

  test.each([
    ['In, values: [db, x]', ['shop/db']],
    ['NotIn, values: [db]', []],
    ['Exists', ['shop/db']],
    ['DoesNotExist', []],
  ])('by an expression: %s', (expression, guests) => {
    const peer = `{ podSelector: { matchExpressions: [{ key: app, operator: ${expression} }] } }`;
    expect(guestsOf(from(peer), 'shop/web')).toEqual(guests);
  });

  test('who has no such label is none of its values', () => {
    const peer = (operator: string) =>
      `{ podSelector: { matchExpressions: [{ key: toString, operator: ${operator} }] } }`;
    expect(guestsOf(from(peer('NotIn, values: [x]')), 'shop/web')).toEqual(['shop/db']);
    expect(guestsOf(from(peer('DoesNotExist')), 'shop/web')).toEqual(['shop/db']);
    expect(guestsOf(from(peer('Exists')), 'shop/web')).toEqual([]);
  });

  test('addresses, but for those that are excepted', () => {
    const policies = from('{ ipBlock: { cidr: 198.51.100.0/24, except: [198.51.100.128/25] } }');
    expect(may(policies, '198.51.100.7', { to: 'shop/web' })).toBe(true);
    expect(may(policies, '198.51.100.200', { to: 'shop/web' })).toBe(false);
    expect(may(policies, '203.0.113.1', { to: 'shop/web' })).toBe(false);
    expect(guestsOf(policies, 'shop/web')).toEqual([]);
  });

  test('everybody, by an empty list of peers or none; nobody, by no rule', () => {
    expect(guestsOf(from(), 'shop/web')).toEqual(others('shop/web'));
    expect(may(from(), '203.0.113.1', { to: 'shop/web' })).toBe(true);
    expect(guestsOf([policy('shop', '{ podSelector: {}, ingress: [{}] }')], 'shop/web')).toEqual(others('shop/web'));
    expect(guestsOf([policy('shop', '{ podSelector: {}, ingress: [] }')], 'shop/web')).toEqual([]);
  });

  test('whom any of the policies lets in: they add up', () => {
    const closed = policy('shop', '{ podSelector: {}, policyTypes: [Ingress] }');
    const policies = [
      closed,
      ...from('{ podSelector: {} }'),
      ...from('{ namespaceSelector: { matchLabels: { name: zoo } } }'),
    ];
    expect(guestsOf(policies, 'shop/web')).toEqual(['shop/db', 'zoo/web', 'zoo/db']);
    expect(guestsOf(policies, 'shop/db')).toEqual([]);
  });

  test('who may leave there and come in here: both must be allowed', () => {
    const to = (app: string) =>
      policy(
        'zoo',
        `{ podSelector: {}, policyTypes: [Egress], egress: [{ to: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: ${app} } } }] }] }`,
      );
    const opened = from('{ namespaceSelector: { matchLabels: { name: zoo } } }');
    expect(guestsOf([...opened, to('web')], 'shop/web')).toEqual(['zoo/web', 'zoo/db']);
    expect(guestsOf([...opened, to('db')], 'shop/web')).toEqual([]);
    expect(hostsOf([...opened, to('db')], 'zoo/web')).toEqual(['shop/db', 'zoo/db']);
    expect(hostsOf([to('web')], 'bank/web')).toEqual(others('bank/web'));
  });
});

describe('to which ports', () => {
  const ports = (list: string): NetworkPolicy[] => [
    policy('shop', `{ podSelector: {}, ingress: [{ ports: [${list}] }] }`),
  ];
  const reaches = (policies: readonly NetworkPolicy[], port: number, protocol = 'TCP'): boolean =>
    may(policies, 'zoo/web', { to: 'shop/web', port, protocol });

  test('the one that is said, of TCP where nothing else is', () => {
    expect([reaches(ports('{ port: 80 }'), 80), reaches(ports('{ port: 80 }'), 81)]).toEqual([true, false]);
    expect(reaches(ports('{ port: 80 }'), 80, 'UDP')).toBe(false);
    expect(reaches(ports('{ port: 80, protocol: UDP }'), 80, 'UDP')).toBe(true);
  });

  test('all of them to endPort', () => {
    const range = ports('{ port: 1, endPort: 2221 }, { port: 2223, endPort: 65535 }');
    expect([1, 2221, 2222, 2223, 65_535].map((port) => reaches(range, port))).toEqual([true, true, false, true, true]);
  });

  test('all of the protocol, where there is no port; all of all, where there is no list', () => {
    expect([reaches(ports('{ protocol: UDP }'), 9, 'UDP'), reaches(ports('{ protocol: UDP }'), 9)]).toEqual([
      true,
      false,
    ]);
    expect(reaches(ports(''), 9, 'SCTP')).toBe(true);
  });

  test('the one of that name, in: of the pod itself', () => {
    const named = ports('{ port: http }');
    const asked = [8080, 8081].flatMap((port) => [guestsOf(named, 'shop/web', port), guestsOf(named, 'shop/db', port)]);
    expect(asked).toEqual([others('shop/web'), [], [], others('shop/db')]);
    expect(reaches(ports('{ port: http, protocol: UDP }'), 8080, 'UDP')).toBe(false);
    expect(reaches(ports('{ port: nobody }'), 8080)).toBe(false);
  });

  test('the one of that name, out: of each pod that is reached', () => {
    const named = (to: string) => [
      policy('zoo', `{ podSelector: {}, policyTypes: [Egress], egress: [{ ports: [{ port: http }], to: [${to}] }] }`),
    ];
    expect(hostsOf(named('{ namespaceSelector: {} }'), 'zoo/web', 8080)).toEqual(['shop/web', 'bank/web']);
    expect(hostsOf(named('{ namespaceSelector: {} }'), 'zoo/web', 8081)).toEqual(['shop/db', 'zoo/db']);
    expect(hostsOf(named(''), 'zoo/web', 8081)).toEqual(['shop/db', 'zoo/db']);
  });

  test('names of a sidecar that is an init container count, those of one that ends do not', () => {
    const init = (restartPolicy?: string) => ({
      initContainers: [{ restartPolicy, ports: [{ name: 'ssh', containerPort: 2222 }] }],
    });
    const named = [policy('shop', '{ podSelector: {}, ingress: [{ ports: [{ port: ssh }] }] }')];
    const web = (spec: object) => [...pods.slice(1), ...[podOf('shop/web', spec) ?? []].flat()];
    expect(may(named, 'zoo/web', { to: 'shop/web', port: 2222 }, web(init('Always')))).toBe(true);
    expect(may(named, 'zoo/web', { to: 'shop/web', port: 2222 }, web(init()))).toBe(false);
  });
});
