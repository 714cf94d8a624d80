import { setTimeout as delay } from 'node:timers/promises';
import { SetupError } from '../../scripts/machine/errors.ts';

/** Looks again and again until `check` is content; its last complaint is in the error. */
export async function waitUntil(
  what: string,
  seconds: number,
  check: () => Promise<string | undefined>,
  pause = 200,
): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const complaint = await check();
    if (complaint === undefined) return;
    if (performance.now() > deadline) {
      throw new SetupError('TIMEOUT', `${what}: not within ${seconds} s. Last seen: ${complaint}`);
    }
    await delay(pause);
  }
}
