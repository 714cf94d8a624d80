import { applyPatch } from 'rfc6902';
import { expect, test } from 'vitest';
import { diff } from './patch.ts';

function apply(before: unknown, after: unknown): unknown {
  const result = structuredClone(before);
  applyPatch(result, structuredClone(diff(before, after)));
  return result;
}

test.each([
  [[], [1]],
  [[1], []],
  [
    [1, 2, 3],
    [0, 1, 2, 3],
  ],
  [
    [1, 2, 3],
    [1, 2, 3, 4],
  ],
  [
    [1, 2, 3, 4],
    [1, 4],
  ],
  [
    [1, 2, 3],
    [3, 2, 1],
  ],
  [[1, 1, 1], [1]],
  [
    [{ a: 1 }, { b: [1, 2] }],
    [{ a: 1 }, { b: [2] }, { c: 1 }],
  ],
  [
    [[1], [2]],
    [[1], [2, 3]],
  ],
])('%j becomes %j', (before, after) => {
  expect(apply({ list: before }, { list: after })).toEqual({ list: after });
});

test('keys with / and ~ are escaped', () => {
  expect(diff({ m: { 'a/b~c': [1] } }, { m: { 'a/b~c': [1, 2] } })).toEqual([
    { op: 'add', path: '/m/a~1b~0c/1', value: 2 },
  ]);
});

test('a prepended element is one operation', () => {
  expect(diff({ l: [{ n: 1 }, { n: 2 }] }, { l: [{ n: 0 }, { n: 1 }, { n: 2 }] })).toEqual([
    { op: 'add', path: '/l/0', value: { n: 0 } },
  ]);
});

test('20,000 variables take milliseconds: whoever makes a pod chooses its size', () => {
  const env = Array.from({ length: 20_000 }, (_, index) => ({ name: `V${index}`, value: 'x' }));
  const start = performance.now();
  expect(diff({ env }, { env: [...env, { name: 'MARK', value: 'app' }] })).toHaveLength(1);
  expect(performance.now() - start).toBeLessThan(1_000);
});
