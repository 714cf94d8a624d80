import type { Logger } from '../process/logger.ts';
import { KubeError } from './errors.ts';
import { parseKey, type ObjectKey } from './object-key.ts';
import type { WorkQueue } from './work-queue.ts';

/** Which object to reconcile; nothing about why. */
export type Request = ObjectKey;
/** `requeueAfterMs`: look again then, although nothing may have changed (an expiry, something that is not watched). */
export type Result = { readonly requeueAfterMs?: number };
/**
 * Brings one object from its actual to its desired state. Level-based: it is told which object, reads everything
 * itself, and may be called at any time, any number of times. A throw is retried with back-off.
 */
export type Reconcile = (request: Request, signal: AbortSignal) => Promise<Result>;

/** What no retry cures; the next change of the object does. Reported, not retried. */
export class TerminalError extends Error {
  override readonly name = 'TerminalError';
  readonly code = 'terminal';
}

/**
 * What became of a run: done; given up until the object changes; raced with another writer; asked by the API server to
 * wait; failed in another way; or the program stopped.
 */
export const RECONCILE_RESULTS = ['success', 'terminal', 'conflict', 'throttled', 'error', 'stopped'] as const;
export type ReconcileResult = (typeof RECONCILE_RESULTS)[number];

export type ControllerOptions = {
  name: string;
  queue: WorkQueue;
  reconcile: Reconcile;
  workers: number;
  log: Logger;
  onRun?: ((result: ReconcileResult, durationMs: number) => void) | undefined;
};

/**
 * Runs `reconcile` for the keys of `queue` until `signal` aborts, then lets running ones end.
 * Start it after the informers have synced: reconcile must not mistake "not read yet" for "not there".
 */
export async function runController(options: ControllerOptions, signal: AbortSignal): Promise<void> {
  const { queue, workers } = options;
  const stop = (): void => queue.shutDown();
  if (signal.aborted) return;
  signal.addEventListener('abort', stop, { once: true });
  await Promise.all(Array.from({ length: workers }, () => work(options, signal)));
  signal.removeEventListener('abort', stop);
}

async function work(options: ControllerOptions, signal: AbortSignal): Promise<void> {
  for (;;) {
    const key = await options.queue.get();
    if (key === undefined) return;
    const since = performance.now();
    try {
      const result = await process(key, options, signal);
      options.onRun?.(result, performance.now() - since);
    } finally {
      options.queue.done(key);
    }
  }
}

/** The one error switch: every outcome of a reconcile is decided here. */
async function process(key: string, options: ControllerOptions, signal: AbortSignal): Promise<ReconcileResult> {
  const { queue } = options;
  const log = options.log.child({ controller: options.name, object: key });
  try {
    const { requeueAfterMs } = await options.reconcile(parseKey(key), signal);
    queue.forget(key);
    if (requeueAfterMs !== undefined) queue.addAfter(key, requeueAfterMs);
    log.debug({ requeueAfterMs }, 'reconciled');
    return 'success';
  } catch (error) {
    if (signal.aborted) {
      log.debug('reconcile stopped');
      return 'stopped';
    }
    if (error instanceof TerminalError) {
      queue.forget(key);
      log.warn({ err: error }, 'reconcile failed, waiting for a change');
      return 'terminal';
    }
    if (error instanceof KubeError && error.isConflict) {
      log.debug({ err: error }, 'reconcile raced with another writer, retrying');
      queue.addRateLimited(key);
      return 'conflict';
    }
    if (error instanceof KubeError && error.retryAfterMs !== undefined) {
      log.warn({ err: error }, 'reconcile was asked to wait, retrying');
      queue.addAfter(key, error.retryAfterMs);
      return 'throttled';
    }
    log.error({ err: error }, 'reconcile failed, retrying');
    queue.addRateLimited(key);
    return 'error';
  }
}
