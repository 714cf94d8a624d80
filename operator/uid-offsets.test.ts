import { expect, test } from 'vitest';
import { uidOffsets } from './uid-offsets.ts';

const names = Array.from({ length: 64 }, (_, index) => `acme-web-user${index}`);

test('every user has an offset of their own, whatever the order, and none is 0', () => {
  const offsets = uidOffsets(names);
  expect(new Set(offsets.values()).size).toBe(64);
  expect(Math.min(...offsets.values())).toBeGreaterThan(0);
  expect(Math.max(...offsets.values())).toBeLessThan(1000);
  expect(uidOffsets(names.toReversed())).toEqual(offsets);
});

test('who stays keeps theirs', () => {
  const before = uidOffsets(names.slice(0, 5));
  const after = uidOffsets(names.slice(1, 6));
  for (const name of names.slice(1, 5)) expect(after.get(name)).toBe(before.get(name));
});
