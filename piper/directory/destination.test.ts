import { describe, expect, test } from 'vitest';
import { destinationOf, inOrder, podsFor } from './destination.ts';
import type { Pod } from './endpoints.ts';
import type { PodState } from './objects.ts';

const pod = (name: string, state: PodState = 'ready', seen = 0): Pod => ({ name, address: '10.0.0.1', state, seen });
const names = (pods: readonly Pod[]): string[] => pods.map(({ name }) => name);
const nowhere = (): boolean => false;

describe('a login is a username, and perhaps a pod', () => {
  const known = new Set(['acme-hello', 'acme-hello--x', 'a']);
  test.each([
    ['acme-hello', { username: 'acme-hello' }],
    ['acme-hello.0', { username: 'acme-hello', pod: { ordinal: 0 } }],
    ['acme-hello.12', { username: 'acme-hello', pod: { ordinal: 12 } }],
    ['nobody.0', { username: 'nobody.0' }],
    ['acme-hello--web.0', { username: 'acme-hello', pod: { name: 'web.0' } }],
    ['acme-hello.012', { username: 'acme-hello.012' }],
    ['acme-hello.-1', { username: 'acme-hello.-1' }],
    ['acme-hello.123456', { username: 'acme-hello.123456' }],
    ['acme-hello--web-7d4b9-x2x7p', { username: 'acme-hello', pod: { name: 'web-7d4b9-x2x7p' } }],
    // The whole is known; so is its beginning: the whole wins.
    ['acme-hello--x', { username: 'acme-hello--x' }],
    ['acme-hello--x--web-0', { username: 'acme-hello', pod: { name: 'x--web-0' } }],
    ['nobody--web-0', { username: 'nobody--web-0' }],
    ['--', { username: '--' }],
    ['', { username: '' }],
    [`a${'-'.repeat(200)}`, { username: 'a', pod: { name: '-'.repeat(198) } }],
    [`x${'--x'.repeat(80)}`, { username: `x${'--x'.repeat(80)}` }],
  ])('%s', (login, destination) => {
    expect(destinationOf(login, (text) => known.has(text))).toEqual(destination);
  });
});

describe('which pods', () => {
  const stateful = [pod('db-1'), pod('db-0'), pod('db-10')];
  const deployed = [pod('web-b'), pod('web-c', 'terminating'), pod('web-a', 'not-ready')];
  const reach = (pods: readonly Pod[], wanted: { name: string } | { ordinal: number }): string[] =>
    names(podsFor(pods, { username: 'acme-hello', pod: wanted }));

  test('an ordinal is that of a StatefulSet, else the place in the list of status', () => {
    expect(reach(stateful, { ordinal: 1 })).toEqual(['db-1']);
    expect(reach(stateful, { ordinal: 10 })).toEqual(['db-10']);
    expect(reach(stateful, { ordinal: 2 })).toEqual(['db-10']);
    expect([0, 1, 2].map((ordinal) => reach(deployed, { ordinal }))).toEqual([['web-a'], ['web-b'], []]);
  });

  test('a name is that pod and no other, even while it terminates', () => {
    expect(reach(deployed, { name: 'web-c' })).toEqual(['web-c']);
    expect(reach(deployed, { name: 'web' })).toEqual([]);
  });
});

describe('in which order', () => {
  test('ready pods come first, terminating ones last, however new they are and whoever is there', () => {
    const pods = [pod('1', 'terminating', 9), pod('2', 'not-ready', 8), pod('3'), pod('4', 'terminating', 7), pod('5')];
    const states = inOrder(pods, (name) => name === '1').map(({ state }) => state);
    expect(states).toEqual(['ready', 'ready', 'not-ready', 'terminating', 'terminating']);
  });

  test('the newest is first; where the user is already comes before it', () => {
    const pods = [pod('old', 'ready', 1), pod('new', 'ready', 3), pod('middle', 'ready', 2)];
    expect(names(inOrder(pods, nowhere))).toEqual(['new', 'middle', 'old']);
    expect(names(inOrder(pods, (name) => name === 'old'))).toEqual(['old', 'new', 'middle']);
  });

  test('pods of one age have one order for everybody, in whatever order the slices come, and it is not that of names', () => {
    const pods = Array.from({ length: 10 }, (_, index) => pod(`web-${index}`));
    const order = names(inOrder(pods, nowhere));
    expect(names(inOrder(pods.toReversed(), nowhere))).toEqual(order);
    expect(order).not.toEqual(order.toSorted());
    const without = names(inOrder(pods.slice(0, 9), nowhere));
    expect(without).toEqual(order.filter((name) => name !== 'web-9'));
  });
});
