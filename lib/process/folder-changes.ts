import { watch } from 'node:fs';

/**
 * Returns a function that waits for a change in the folder since it was last called, for the poll, or for `signal`:
 * whichever is first. Watching saves seconds, polling is what counts: some file systems tell nothing.
 */
export function folderChanges(folder: string, pollMs: number, signal: AbortSignal): () => Promise<void> {
  // A change while nobody waits counts: who has read the folder at the first of several changes reads it again.
  let isDue = false;
  let wake = (): void => undefined;
  const changed = (): void => {
    isDue = true;
    wake();
  };
  try {
    watch(folder, { persistent: false, signal }, changed).on('error', () => undefined);
  } catch {
    // It may not exist yet.
  }
  signal.addEventListener('abort', changed, { once: true });
  return async () => {
    if (!isDue) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pollMs);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    isDue = signal.aborted;
  };
}
