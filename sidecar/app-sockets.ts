/** Unix sockets and files in the app's container, as the session's user: `enter connect`, `listen` and `lease`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import * as z from 'zod/mini';

/** Where a session is, and as whom. */
export type AppEntrance = {
  enterPath: string;
  /** Options of `enter`: `--pid`, `--uid` and so on. */
  arguments: readonly string[];
};

/** What is there until `close`, and no longer than this process. */
export type AppFile = { path: string; close: () => void };

/** Nothing that a helper does before it answers takes long; a file system of the app's may. */
const ANSWER_TIMEOUT_MS = 10_000;
const MAX_SENTENCE = 2048;

const listening = z.object({ listening: z.string() });
const leased = z.object({ path: z.string() });

/** Connects to a socket of the app. What rejects says why, for the user. Both ends may half-close. */
export function connectInApp(entrance: AppEntrance, path: string): Promise<Socket> {
  const helper = startHelper(entrance, 'connect', ['--', path]);
  const timer = killLater(helper);
  helper.once('close', () => clearTimeout(timer));
  return new Promise((resolve, reject) => {
    helper.on('message', (_, handle) => {
      if (handle instanceof Socket) resolve(halfOpen(handle));
    });
    whenFailed(helper, reject);
  });
}

/**
 * Listens at a path of the app, or under a name in a directory that only the session's user may enter. The socket is
 * that user's alone, and a path that exists is an error. After `close` no connection comes.
 */
export async function listenInApp(
  entrance: AppEntrance,
  where: { path: string } | { private: string },
  onConnection: (connection: Socket) => void,
): Promise<AppFile> {
  const target = 'path' in where ? ['--', where.path] : ['--private', where.private];
  const helper = startHelper(entrance, 'listen', target);
  let open = true;
  helper.on('message', (_, handle) => {
    if (!(handle instanceof Socket)) return;
    if (open) onConnection(halfOpen(handle));
    else handle.destroy();
  });
  const path = await pathFrom(helper, (message) => listening.safeParse(message).data?.listening);
  return {
    path,
    close: () => {
      open = false;
      release(helper);
    },
  };
}

/** Writes a file that only the session's user can read, in a directory that only they may enter. */
export async function leaseInApp(entrance: AppEntrance, name: string, bytes: Uint8Array): Promise<AppFile> {
  const helper = startHelper(entrance, 'lease', ['--', name]);
  helper.stdin?.end(bytes);
  const path = await pathFrom(helper, (message) => leased.safeParse(message).data?.path);
  return { path, close: () => release(helper) };
}

function startHelper(entrance: AppEntrance, command: string, target: readonly string[]): ChildProcess {
  const helper = spawn(entrance.enterPath, [command, ...entrance.arguments, ...target], {
    env: {},
    cwd: '/',
    stdio: ['pipe', 'ignore', 'pipe', 'ipc'],
  });
  // A helper that does not read its input says on stderr why.
  helper.stdin?.on('error', () => undefined);
  return helper;
}

// Whose data ends may still be written to: what is forwarded ends in one direction at a time.
function halfOpen(socket: Socket): Socket {
  socket.allowHalfOpen = true;
  return socket;
}

function pathFrom(helper: ChildProcess, read: (message: unknown) => string | undefined): Promise<string> {
  const timer = killLater(helper);
  const answer = new Promise<string>((resolve, reject) => {
    helper.on('message', (message) => {
      const path = read(message);
      if (path !== undefined) resolve(path);
    });
    whenFailed(helper, reject);
  });
  return answer.finally(() => clearTimeout(timer));
}

const killLater = (helper: ChildProcess): NodeJS.Timeout => setTimeout(() => helper.kill('SIGKILL'), ANSWER_TIMEOUT_MS);

/** The helper ends, and removes what it made, when it sees the channel closed. */
function release(helper: ChildProcess): void {
  if (helper.connected) helper.disconnect();
}

function whenFailed(helper: ChildProcess, reject: (error: Error) => void): void {
  let said = '';
  helper.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString('utf8')).slice(0, MAX_SENTENCE);
  });
  helper.once('error', (error) => reject(new Error(`the helper cannot be run: ${error.message}`, { cause: error })));
  // Nothing to whom a promise has been kept: it ignores a second answer.
  helper.once('close', (code, signal) => {
    const sentence = /^sshaccess: (.*)$/m.exec(said)?.[1];
    reject(new Error(sentence ?? `the helper ended without an answer (${signal ?? code})`));
  });
}
