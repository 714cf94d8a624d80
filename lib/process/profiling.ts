import { Session } from 'node:inspector/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Answer } from './http-server.ts';

/** How long one profile lasts: as pprof's default of other programs would be too long for a probe's patience, this is less. */
const PROFILE_MS = 10_000;

let isBusy = false;

/**
 * A CPU profile of the next ten seconds, as Chrome's and VS Code's tools read it (.cpuprofile). It holds names of functions
 * and files of ours; a heap snapshot or a debugger would hold keys, and is not offered.
 */
export async function cpuProfile(forMs = PROFILE_MS): Promise<Answer> {
  if (isBusy) return { status: 409, json: { message: 'another profile is being taken' } };
  isBusy = true;
  const session = new Session();
  try {
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.start');
    await delay(forMs);
    return { json: (await session.post('Profiler.stop')).profile };
  } finally {
    session.disconnect();
    isBusy = false;
  }
}
