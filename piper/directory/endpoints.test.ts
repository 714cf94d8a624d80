import { expect, test } from 'vitest';
import { isLiteral, mayBePod } from './addresses.ts';
import { MOST_ENDPOINTS, podsOf } from './endpoints.ts';
import { EndpointSliceObject } from './objects.ts';

function slice(endpoints: unknown[], name = 'slice'): EndpointSliceObject {
  return EndpointSliceObject.parse({ metadata: { name, namespace: 'acme' }, addressType: 'IPv4', endpoints });
}

const endpoint = (address: string, conditions?: object) => ({
  addresses: [address],
  conditions,
  targetRef: { name: `pod-${address}` },
});

test('readiness is `serving`, because the Service publishes not-ready addresses as ready', () => {
  const pods = podsOf(
    [
      slice([
        endpoint('10.0.0.1', { ready: true, serving: true, terminating: false }),
        endpoint('10.0.0.2', { ready: true, serving: false, terminating: false }),
        endpoint('10.0.0.3', { ready: true, serving: true, terminating: true }),
        endpoint('10.0.0.4', {}),
        endpoint('10.0.0.5'),
      ]),
    ],
    mayBePod,
  );
  expect(pods.map(({ state }) => state)).toEqual(['ready', 'not-ready', 'terminating', 'ready', 'ready']);
});

test.each(['\u001b]0;owned\u0007', 'a\r\nsshaccess: type your password', 'Ünïcode', '', 'x'.repeat(254)])(
  'C4: a name that no pod can have (%j) is not shown to anybody',
  (name) => {
    const [pod] = podsOf([slice([{ ...endpoint('10.0.0.1'), targetRef: { name } }])], mayBePod);
    expect(pod?.name).toBe('10.0.0.1');
  },
);

test('a pod that two slices list is one pod, and no slices are no pods', () => {
  const pods = podsOf([slice([endpoint('10.0.0.1')], 'a'), slice([endpoint('10.0.0.1')], 'b')], mayBePod);
  expect(pods).toEqual([{ name: 'pod-10.0.0.1', address: '10.0.0.1', state: 'ready' }]);
  expect(podsOf([EndpointSliceObject.parse({ metadata: { name: 'x' }, addressType: 'IPv4' })], mayBePod)).toEqual([]);
});

test.each([
  ['10.244.0.7', true],
  ['192.168.1.1', true],
  ['fd00::17', true],
  ['127.0.0.1', false],
  ['127.8.0.1', false],
  ['0.0.0.0', false],
  ['169.254.169.254', false],
  ['224.0.0.1', false],
  ['255.255.255.255', false],
  ['::1', false],
  ['::', false],
  ['::ffff:127.0.0.1', false],
  ['::ffff:10.0.0.1', false],
  ['64:ff9b::7f00:1', false],
  ['fe80::1', false],
  ['fe80::1%eth0', false],
  ['ff02::1', false],
  ['kubernetes.default.svc', false],
  ['0x7f.1', false],
  ['', false],
])('C5: a slice that lists %j: a pod may be there: %s', (address, allowed) => {
  expect(mayBePod(address)).toBe(allowed);
});

test('files may name loopback, but never a host name', () => {
  expect([isLiteral('127.0.0.1'), isLiteral('localhost')]).toEqual([true, false]);
});

test('C8: of a flood of endpoints no more are looked at than a bound, also where all are the same, or none is a pod', () => {
  let looks = 0;
  const many = (address: (index: number) => string) =>
    slice(Array.from({ length: 1_000 }, (_, index) => endpoint(address(index))));
  const pods = podsOf(
    [
      many(() => '127.0.0.1'),
      many((index) => `10.0.${index >> 8}.${index & 255}`),
      many(() => '10.9.9.9'),
      ...Array.from({ length: 50 }, (_, at) => many((index) => `10.${at + 1}.${index >> 8}.${index & 255}`)),
    ],
    (address) => ++looks > 0 && mayBePod(address),
  );
  expect(looks).toBeLessThanOrEqual(MOST_ENDPOINTS);
  expect(pods.length).toBe(MOST_ENDPOINTS - 1_000 - 999);
});
