import { readFile } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type AppProcess, inspectApp, type NoAppProcess } from './app-process.ts';

/** What is remembered of the app's main process, for the sentence that a session gets while there is none. */
export type AppHistory = { starts: number; lastSeen: number | undefined };

/** Finds the app's main process, and remembers its restarts. */
export type AppTracker = {
  inspect: () => Promise<AppProcess | NoAppProcess>;
  readonly history: Readonly<AppHistory>;
};

const POLL_MS = 5000;
/** Until the app has been seen for the first time: one that ends at once, again and again, is to be noticed. */
const FIRST_POLL_MS = 1000;
/**
 * A container that is being created is a process of the runtime for a moment, which shows nothing of itself
 * (PR_SET_DUMPABLE), like an app that we may not enter. Only what stays so for this long is the latter: on a node that has
 * much to do, a moment is seconds.
 */
const SETTLE_MS = 10_000;
/**
 * We start before the app and its init containers, and who logs in between wants the app, not the toolbox. Nothing in the
 * pod tells whether it is about to start (a slow node, an image that is pulled, init containers) or cannot. So the toolbox,
 * by which people find out why not, comes late; once the app has been seen, at once.
 */
export const FIRST_START_MS = 30_000;
const LOOK_AGAIN_MS = 200;
// proc(5): the fields of /proc/<pid>/stat after the parenthesized name begin with the third.
const START_TIME_FIELD = 22 - 3;

export type TrackerOptions = {
  inspect: () => Promise<AppProcess | NoAppProcess>;
  /** When the process with this pid started, in clock ticks; undefined where there is none. */
  startOf: (pid: number) => Promise<number | undefined>;
  now: () => number;
  sleep: (ms: number) => Promise<unknown>;
  /** From now on so long, sessions wait for an app that has not been seen yet. */
  firstStartMs: number;
};

export function createAppTracker({ inspect, startOf, now, sleep: pause, firstStartMs }: TrackerOptions) {
  const history: AppHistory = { starts: 0, lastSeen: undefined };
  let current: { pid: number; start: number } | undefined;
  let refusedSince: number | undefined;
  const began = now();
  const see = (found: AppProcess | NoAppProcess): void => {
    refusedSince = found === 'not-permitted' ? (refusedSince ?? now()) : undefined;
    if (typeof found === 'string') {
      current = undefined;
      return;
    }
    if (found.pid !== current?.pid || found.start !== current.start) history.starts++;
    current = { pid: found.pid, start: found.start };
    history.lastSeen = now();
  };
  const inspectNow = async (): Promise<AppProcess | NoAppProcess> => {
    const found = await inspect();
    see(found);
    return found;
  };
  const isAwaited = (): boolean => history.starts === 0 && now() - began < firstStartMs;
  /** Whether what was found is how it is, and not how it is for a moment. */
  const isClear = (found: AppProcess | NoAppProcess): boolean =>
    typeof found === 'object' || (!isAwaited() && (refusedSince === undefined || now() - refusedSince >= SETTLE_MS));
  /** What is, once it is clear. */
  const inspectSettled = async (): Promise<AppProcess | NoAppProcess> => {
    for (;;) {
      const found = await inspectNow();
      if (isClear(found)) return found;
      await pause(LOOK_AGAIN_MS);
    }
  };
  let settling: Promise<AppProcess | NoAppProcess> | undefined;
  /** For a session. Those that come while one waits share its looks: each is a program that runs. */
  const inspectForSession = (): Promise<AppProcess | NoAppProcess> =>
    (settling ??= inspectSettled().finally(() => (settling = undefined)));
  /** One look, cheap while the app runs: only a process that is gone makes us search. */
  const poll = async (): Promise<void> => {
    if (current !== undefined && (await startOf(current.pid)) === current.start) history.lastSeen = now();
    else await inspectNow();
  };
  const pollMs = (): number => (isAwaited() ? FIRST_POLL_MS : POLL_MS);
  return { inspect: inspectForSession, poll, pollMs, history };
}

/** Of an app that keeps its processes to itself: there is nothing to look for, and nothing to wait for. */
export const OUT_OF_SIGHT: AppTracker = {
  inspect: () => Promise.resolve('not-running'),
  history: { starts: 0, lastSeen: undefined },
};

/** The tracker of a container of this pod; polls until `signal` aborts. */
export function trackApp(
  enter: string,
  container: string,
  { signal, firstStartMs }: { signal: AbortSignal } & Pick<TrackerOptions, 'firstStartMs'>,
): AppTracker {
  const tracker = createAppTracker({
    inspect: () => inspectApp(enter, container),
    startOf: processStart,
    now: () => performance.now(),
    sleep,
    firstStartMs,
  });
  const follow = async (): Promise<void> => {
    while (!signal.aborted) {
      // A helper that cannot be run is reported by each session that needs it.
      await tracker.poll().catch(() => undefined);
      await sleep(tracker.pollMs(), undefined, { signal, ref: false }).catch(() => undefined);
    }
  };
  void follow();
  return tracker;
}

async function processStart(pid: number): Promise<number | undefined> {
  const stat = await promisify(readFile)(`/proc/${pid}/stat`, 'latin1').catch(() => undefined);
  if (stat === undefined) return undefined;
  // The name may hold spaces and parentheses; the last one ends it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[START_TIME_FIELD]);
}
