import { expect, test, vi } from 'vitest';
import { createLogger } from '../process/logger.ts';
import { runController, TerminalError, type Reconcile } from './controller.ts';
import { KubeError } from './errors.ts';
import { keyOf } from './object-key.ts';
import { WorkQueue } from './work-queue.ts';

const log = createLogger('test', { level: 'silent' });

async function run(reconcile: Reconcile, keys: string[], until: () => void): Promise<void> {
  const queue = new WorkQueue({ firstMs: 5, lastMs: 50 });
  const stop = new AbortController();
  for (const key of keys) queue.add(key);
  const running = runController({ name: 'test', queue, reconcile, workers: 3, log }, stop.signal);
  await vi.waitFor(until, { timeout: 2_000, interval: 5 });
  stop.abort();
  await running;
}

test('retries what time can cure, and not what only a user can cure', async () => {
  const calls: string[] = [];
  const reconcile: Reconcile = async (request) => {
    calls.push(keyOf(request));
    if (request.name === 'terminal') throw new TerminalError('no');
    if (calls.filter((call) => call === keyOf(request)).length < 3)
      throw new KubeError('Conflict', 'x', { status: 409 });
    return {};
  };
  await run(reconcile, ['ns/terminal', 'ns/retry'], () => expect(calls).toHaveLength(4));
  expect(calls.filter((call) => call === 'ns/terminal')).toHaveLength(1);
});

test('looks again when reconcile asks for it, and one key never runs twice at once', async () => {
  let running = 0;
  let most = 0;
  let calls = 0;
  const reconcile: Reconcile = async () => {
    running += 1;
    most = Math.max(most, running);
    calls += 1;
    await new Promise((resolve) => setTimeout(resolve, 5));
    running -= 1;
    return { requeueAfterMs: 1 };
  };
  await run(reconcile, ['ns/a', 'ns/a'], () => expect(calls).toBeGreaterThan(5));
  expect(most).toBe(1);
});
