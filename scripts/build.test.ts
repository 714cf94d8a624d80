import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isDynamic } from './build.ts';

/** A 64-bit ELF header with program headers of these types. */
function elf(...types: readonly number[]): Buffer {
  const program = Buffer.alloc(64 + types.length * 56);
  program.writeUInt32BE(0x7f454c46, 0);
  program.writeUInt8(2, 4);
  program.writeBigUInt64LE(64n, 32);
  program.writeUInt16LE(56, 54);
  program.writeUInt16LE(types.length, 56);
  types.forEach((type, index) => program.writeUInt32LE(type, 64 + index * 56));
  return program;
}

test('a program that names a loader is dynamic', () => {
  expect(isDynamic(elf(6, 3, 1))).toBe(true);
  expect(isDynamic(readFileSync(process.execPath))).toBe(true);
});

test('one that names none is static', () => {
  expect(isDynamic(elf(1, 1, 7))).toBe(false);
});

test('what is no program at all is not taken for a static one', () => {
  expect(isDynamic(Buffer.from('#!/bin/sh\nexit 0\n'.padEnd(100, '#')))).toBe(true);
});
