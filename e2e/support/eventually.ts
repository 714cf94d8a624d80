import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Calls `attempt` until it does not throw, and answers what it answered; after `withinMs` the last error is thrown.
 * For what a cluster does in its own time. A promise of ours ("within 5 s") is `withinMs` exactly.
 */
export async function eventually<T>(attempt: () => Promise<T>, withinMs = 120_000, everyMs = 250): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() + everyMs > deadline) throw error;
      await sleep(everyMs);
    }
  }
}
