import { expect, test } from 'vitest';
import { Shares } from './shares.ts';

const item = (tenant: string, index: number) => ({ tenant, key: `${tenant}-${index}` });

test('E1: who brings too many makes way for others, and nobody else does', () => {
  const shares = new Shares<ReturnType<typeof item>>(10);
  const gone: (string | undefined)[] = [];
  shares.add(item('acme', 0));
  for (let index = 0; index < 12; index++) gone.push(shares.add(item('mallory', index))?.key);
  expect(gone).toEqual([...Array.from({ length: 9 }, () => undefined), 'mallory-0', 'mallory-1', 'mallory-2']);
  expect(shares.add(item('acme', 1))?.key).toBe('mallory-3');
  expect([shares.get('acme-0'), shares.get('mallory-3'), [...shares.values()].length]).toEqual([
    item('acme', 0),
    undefined,
    10,
  ]);
});

test('one that is deleted leaves room', () => {
  const shares = new Shares<ReturnType<typeof item>>(1);
  const first = item('acme', 0);
  shares.add(first);
  shares.delete(first);
  expect(shares.add(item('beta', 0))).toBeUndefined();
});
