import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { WorkQueue } from './work-queue.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('a key waits once', async () => {
  const queue = new WorkQueue();
  queue.add('a');
  queue.add('b');
  queue.add('a');
  expect(await queue.get()).toBe('a');
  expect(await queue.get()).toBe('b');
  expect(queue.length).toBe(0);
});

test('a key that is added while it is processed comes again afterwards, not meanwhile', async () => {
  const queue = new WorkQueue();
  queue.add('a');
  expect(await queue.get()).toBe('a');
  queue.add('a');
  queue.add('a');
  expect(queue.length).toBe(0);
  queue.done('a');
  expect(await queue.get()).toBe('a');
  queue.done('a');
  expect(queue.length).toBe(0);
});

test('a worker that waits gets the next key', async () => {
  const queue = new WorkQueue();
  const next = queue.get();
  queue.add('a');
  expect(await next).toBe('a');
});

test('of several delays for a key the soonest counts', async () => {
  const queue = new WorkQueue();
  queue.addAfter('a', 1_000);
  queue.addAfter('a', 200);
  queue.addAfter('a', 5_000);
  vi.advanceTimersByTime(199);
  expect(queue.length).toBe(0);
  vi.advanceTimersByTime(1);
  expect(queue.length).toBe(1);
  vi.advanceTimersByTime(10_000);
  expect(queue.length).toBe(1);
});

test('a delay of months does not fire at once', () => {
  const queue = new WorkQueue();
  const months = 90 * 86_400_000;
  queue.addAfter('a', months);
  vi.advanceTimersByTime(months - 1);
  expect(queue.length).toBe(0);
  vi.advanceTimersByTime(1);
  expect(queue.length).toBe(1);
});

test('failures of one key double its delay, others are not touched, and forget starts over', async () => {
  const queue = new WorkQueue({ firstMs: 100, lastMs: 400 });
  const waitOf = async (key: string): Promise<number> => {
    queue.addRateLimited(key);
    let waited = 0;
    while (queue.length === 0) {
      vi.advanceTimersByTime(10);
      waited += 10;
    }
    queue.done((await queue.get()) ?? '');
    return Math.floor(waited / 100) * 100;
  };
  expect(await waitOf('a')).toBe(100);
  expect(await waitOf('a')).toBe(200);
  expect(await waitOf('b')).toBe(100);
  expect(await waitOf('a')).toBe(400);
  expect(await waitOf('a')).toBe(400);
  queue.forget('a');
  expect(await waitOf('a')).toBe(100);
});

test('after shutDown nobody gets anything', async () => {
  const queue = new WorkQueue();
  const waiting = queue.get();
  queue.shutDown();
  queue.add('a');
  queue.addAfter('a', 1);
  expect(await waiting).toBeUndefined();
  expect(await queue.get()).toBeUndefined();
});
