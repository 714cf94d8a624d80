/** Random, but the same on every run. */
export type Random = {
  /** 0 … limit - 1. */
  below: (limit: number) => number;
  bytes: (length: number) => Buffer;
  /** A chunk as a bad network or a hostile peer would deliver it. */
  mutate: (chunk: Buffer) => Buffer[];
};

export function makeRandom(seed: number): Random {
  let state = seed >>> 0;
  // mulberry32: 32 bits of state are enough to be different, and nothing here is to be secret.
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const below = (limit: number): number => next() % limit;
  const bytes = (length: number): Buffer => Buffer.from(Array.from({ length }, () => below(256)));
  const mutate = (chunk: Buffer): Buffer[] => {
    const at = below(chunk.length);
    switch (below(6)) {
      case 0:
        chunk.writeUInt8(chunk.readUInt8(at) ^ (1 << below(8)), at);
        return [chunk];
      case 1:
        return [chunk.subarray(0, at)];
      case 2:
        return [chunk, chunk];
      case 3:
        return [];
      case 4:
        return [chunk.subarray(0, at), bytes(1 + below(40)), chunk.subarray(at)];
      default:
        bytes(Math.min(4, chunk.length - at)).copy(chunk, at);
        return [chunk];
    }
  };
  return { below, bytes, mutate };
}
