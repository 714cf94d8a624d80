import { expect, test } from 'vitest';
import { FairMap } from './fair-map.ts';

const item = (tenant: string, index: number) => ({ tenant, key: `${tenant}-${index}` });

test('E1: who brings too many makes way for others, and nobody else does', () => {
  const map = new FairMap<ReturnType<typeof item>>(10);
  const gone: (string | undefined)[] = [];
  map.add(item('acme', 0));
  for (let index = 0; index < 12; index++) gone.push(map.add(item('mallory', index))?.key);
  expect(gone).toEqual([...Array.from({ length: 9 }, () => undefined), 'mallory-0', 'mallory-1', 'mallory-2']);
  expect(map.add(item('acme', 1))?.key).toBe('mallory-3');
  expect([map.get('acme-0'), map.get('mallory-3'), [...map.values()].length]).toEqual([item('acme', 0), undefined, 10]);
});

test('one that is deleted leaves room', () => {
  const map = new FairMap<ReturnType<typeof item>>(1);
  const first = item('acme', 0);
  map.add(first);
  map.delete(first);
  expect(map.add(item('beta', 0))).toBeUndefined();
});
