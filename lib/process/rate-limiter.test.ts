import { expect, test } from 'vitest';
import { RateLimiter } from './rate-limiter.ts';

test('a key has its burst at once, then one at a time; another key has its own', () => {
  let now = 5_000;
  const limiter = new RateLimiter({ burst: 3, everyMs: 1_000 }, () => now);
  const taken = (key: string, times: number) => Array.from({ length: times }, () => limiter.take(key));
  expect(taken('a', 5)).toEqual([true, true, true, false, false]);
  expect(taken('b', 1)).toEqual([true]);
  now += 999;
  expect(taken('a', 1)).toEqual([false]);
  now += 1;
  expect(taken('a', 2)).toEqual([true, false]);
  // However long it was quiet, there is no more than the burst.
  now += 3_600_000;
  expect(taken('a', 5)).toEqual([true, true, true, false, false]);
});

test('a hundred thousand keys are not all kept, and a busy one is', () => {
  const limiter = new RateLimiter({ burst: 1, everyMs: 1_000 }, () => 0);
  const first = Array.from({ length: 100_000 }, (_, key) => limiter.take(`${key}`));
  expect(first.every(Boolean)).toBe(true);
  expect(limiter.take('99999')).toBe(false);
  expect(limiter.take('0')).toBe(true);
});

test('what is spent comes again at its rate', () => {
  let now = 0;
  const limiter = new RateLimiter({ burst: 3, everyMs: 1_000 }, () => now);
  limiter.spend('a', 3);
  expect([limiter.take('a'), limiter.take('b')]).toEqual([false, true]);
  now += 1_000;
  expect([limiter.take('a'), limiter.take('a')]).toEqual([true, false]);
});
