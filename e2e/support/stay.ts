/** Connections that stay until they are ended, for tests that end them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { onTestFinished } from 'vitest';
import { type Login, sshCommand } from './openssh.ts';

export type Stay = {
  /** Resolves with what the client said on stderr. */
  ended: Promise<string>;
  alive: () => boolean;
  /** What the other end has said so far. */
  output: () => string;
  end: () => void;
};

/**
 * Opens a session that stays, or what `options` make of it; answers once the other end has said something. It ends with
 * the test at the latest.
 */
export async function stay(
  login: Login,
  options: readonly string[] = [],
  command: readonly string[] = ['echo up; sleep 1000'],
): Promise<Stay> {
  const [program = '', ...args] = sshCommand(login, ['-o', 'LogLevel=INFO', ...options], ...command);
  // Its input stays open: some end with it.
  const child: ChildProcess = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const end = (): void => void child.kill('SIGKILL');
  onTestFinished(end);
  const ended = new Promise<string>((resolve) => child.on('close', () => resolve(stderr)));
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve());
    child.once('close', () => reject(new Error(`the session did not start: ${stderr}`)));
  });
  return { ended, alive: () => child.exitCode === null && child.signalCode === null, output: () => stdout, end };
}

/** Answers with what it said; fails if it has not ended within what was promised. */
export const endsWithin = (ms: number, { ended }: Stay): Promise<string> =>
  Promise.race([
    ended,
    new Promise<string>((_resolve, reject) => setTimeout(() => reject(new Error('the session goes on')), ms)),
  ]);
