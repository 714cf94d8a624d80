import type { AppProcess, NoAppProcess } from './app-process.ts';
import type { AppHistory } from './app-tracker.ts';
import { duration } from './duration.ts';

/** Where a session opens, and what it should be told. */
export type Entry =
  | { kind: 'chroot'; app: AppProcess }
  | {
      kind: 'toolbox';
      app: AppProcess | undefined;
      notice: string;
      /** Also for commands: what was asked for is not what is served. In a pod that allows no more, only shells say so. */
      unexpected: boolean;
    };

export type EntryInput = {
  sessionEntry: 'chroot' | 'toolbox';
  container: string;
  /** Entering takes a sidecar that runs as uid 0. */
  privileged: boolean;
  /** The app's processes cannot be seen. */
  isolated: boolean;
  found: AppProcess | NoAppProcess;
  history: AppHistory;
  now: number;
};

const TOOLBOX = "this is the toolbox, a shell in the sidecar's image";

/** Decides where a session opens: in the app, where the pod allows it and the app runs; else in the toolbox. */
export function sessionEntry(input: EntryInput): Entry {
  const { found, container } = input;
  if (input.isolated) return expected(`container "${container}" keeps its processes and files to itself`);
  if (found === 'not-running')
    return { kind: 'toolbox', app: undefined, notice: `${notRunning(input)}; ${TOOLBOX}.`, unexpected: true };
  if (input.sessionEntry === 'toolbox' || !input.privileged) {
    if (found !== 'not-permitted')
      return expected(`the files of container "${container}" are in /proc/${found.pid}/root`, found);
    return expected(`container "${container}" does not run, or not with this uid and gid: its files are out of reach`);
  }
  if (found === 'not-permitted') {
    const notice = `sshaccess: container "${container}" runs, but the kernel does not let the sidecar enter it; ${TOOLBOX}.`;
    return { kind: 'toolbox', app: undefined, notice, unexpected: true };
  }
  return { kind: 'chroot', app: found };
}

const expected = (where: string, app?: AppProcess): Entry => ({
  kind: 'toolbox',
  app,
  notice: `sshaccess: ${TOOLBOX}; ${where}.`,
  unexpected: false,
});

function notRunning({ container, history, now }: EntryInput): string {
  const seen = history.lastSeen === undefined ? 'not seen' : `last seen ${duration(now - history.lastSeen)} ago`;
  const starts = history.starts === 1 ? 'started once' : `started ${history.starts} times`;
  const record = history.starts === 0 ? seen : `${seen}, ${starts}`;
  return `sshaccess: container "${container}" has no running process (${record} since this sidecar started)`;
}
