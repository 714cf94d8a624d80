import { setTimeout as sleep } from 'node:timers/promises';
import { childrenOf } from './accounting.ts';
import type { Target } from './client.ts';

/** A server that runs. */
export type Server = {
  name: string;
  target: Target;
  /** The process that the others come from. */
  pid: number;
  stop: () => Promise<void>;
};

/** Resolves when all sessions of a server have ended, so that what they cost is accounted to it. */
export async function idle({ pid }: Server): Promise<void> {
  while (childrenOf(pid).length > 0) await sleep(10);
}

export async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`waited 10 s in vain until ${what}`);
    await sleep(1);
  }
}
