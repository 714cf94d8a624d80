import { expect, test } from 'vitest';
import { ReadBuffers } from './read-buffers.ts';

test('a buffer is lent again only when everybody has let go of it', () => {
  const buffers = new ReadBuffers();
  const first = buffers.take();
  first?.hold();
  first?.release();
  const second = buffers.take();
  expect(second).not.toBe(first);
  first?.release();
  expect(buffers.take()).toBe(first);
});

test('there is an end to large buffers, and few stay when nobody uses them', () => {
  const buffers = new ReadBuffers();
  const taken = Array.from({ length: 64 }, () => buffers.take());
  expect(taken).not.toContain(undefined);
  expect(buffers.take()).toBeUndefined();
  for (const buffer of taken) buffer?.release();
  expect(buffers.count).toBe(8);
});

test('every byte is known by its owner, and other bytes are nobody’s', () => {
  const buffers = new ReadBuffers();
  const taken = buffers.take();
  expect(buffers.ownerOf(taken?.bytes.subarray(5, 9) ?? Buffer.alloc(1))).toBe(taken);
  expect(buffers.ownerOf(buffers.shared.subarray(1))).toBe('shared');
  expect(buffers.ownerOf(Buffer.alloc(8))).toBeUndefined();
});
