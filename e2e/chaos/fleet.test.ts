import { expect, test } from 'vitest';
import { makeRandom } from '../../lib/ssh/testing/random.ts';
import { change, type Fleet, grants, holds, KEYS, KINDS, newFleet } from './fleet.ts';

function run(seed: number, count: number): { kinds: string[]; fleets: Fleet[] } {
  const random = makeRandom(seed);
  const kinds: string[] = [];
  const fleets = [newFleet(3)];
  for (let step = 0; step < count; step++) {
    const { kind, fleet } = change(fleets.at(-1) ?? [], random);
    kinds.push(kind);
    fleets.push(fleet);
  }
  return { kinds, fleets };
}

test('a seed says what changes, and a hundred changes are of every kind', () => {
  expect(run(7, 100)).toEqual(run(7, 100));
  expect(new Set(run(7, 100).kinds)).toEqual(new Set(KINDS));
});

test('every state is one that the API takes: a primary user with role root, each suffix once, keys that there are', () => {
  for (const { users, replicas } of run(1, 300).fleets.flat()) {
    expect(users.filter(({ suffix }) => suffix === '')).toMatchObject([{ access: 'root', expired: false }]);
    expect(new Set(users.map(({ suffix }) => suffix)).size).toBe(users.length);
    for (const { key } of users) expect(key).toBeLessThan(KEYS);
    expect([1, 2]).toContain(replicas);
  }
});

test('a grant holds as long as nothing of it changes', () => {
  const [fleet] = run(1, 0).fleets;
  const [first] = grants(fleet ?? []);
  if (fleet === undefined || first === undefined) throw new Error('nobody may log in');
  expect(holds(fleet, first)).toBe(true);
  expect(holds(fleet, { ...first, key: 3 })).toBe(false);
  expect(holds(fleet, { ...first, access: 'limited' })).toBe(false);
  expect(holds(fleet, { ...first, incarnation: 2 })).toBe(false);
  const off = fleet.map((access) => ({ ...access, enabled: false }));
  expect(holds(off, first)).toBe(false);
});
