import type { Random } from './random.ts';
import { u32, u8 } from './wire.ts';

const NUMBERS = [0, 1, 3, 4, 8, 255, 256, 4096, 65_536, 262_143, 262_144, 0x7fffffff, 0x80000000, 0xffffffff] as const;

function splice(bytes: Buffer, at: number, removed: number, added: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at + removed)]);
}

/** Changes a packet's content, without its length, in one of the ways in which parsers are wont to fail. */
export function mutate(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length + 1);
  return random.pick([
    () => splice(bytes, at, 1, u8(random.below(256))),
    () => splice(bytes, at, 1, u8((bytes[at] ?? 0) ^ (1 << random.below(8)))),
    () => splice(bytes, at, 4, u32(random.pick(NUMBERS))),
    () => splice(bytes, at, 0, Buffer.alloc(random.below(64), random.below(256))),
    () => splice(bytes, at, random.below(16), Buffer.alloc(0)),
    () => bytes.subarray(0, at),
    () => splice(bytes, 0, 1, u8(random.below(22))),
  ])();
}
