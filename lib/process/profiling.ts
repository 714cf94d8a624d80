import { Session } from 'node:inspector/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { type Answer, serveHttp } from './http-server.ts';

const PROFILE_MS = 10_000;

let isBusy = false;

/**
 * Serves `GET /debug/cpu-profile` on the loopback, until `signal` aborts: whoever may forward a port of this pod
 * (pods/portforward) reaches it, and nobody else. @returns the port
 */
export async function serveProfiling(port: number, signal: AbortSignal, forMs = PROFILE_MS): Promise<number> {
  return await serveHttp({ port, host: '127.0.0.1' }, { 'GET /debug/cpu-profile': () => cpuProfile(forMs) }, signal);
}

/**
 * A CPU profile of the next ten seconds, as Chrome's and VS Code's tools read it (.cpuprofile). It holds names of functions
 * and files of ours; a heap snapshot or a debugger would hold keys, and is not offered.
 */
async function cpuProfile(forMs: number): Promise<Answer> {
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
