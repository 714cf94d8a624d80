/** A session as the sidecar has it: the helper as a child process, its streams, and its control socket. */
import { type ChildProcess, spawn } from 'node:child_process';
import { Duplex, type Readable, type Writable } from 'node:stream';
import { launchBytes } from '../../program.ts';

export type Ending = { code: number | null; signal: NodeJS.Signals | null };

export type Session = {
  pid: number;
  stdin: Writable;
  stdout: Readable;
  /** What came so far. */
  output: () => string;
  errors: () => string;
  bytes: () => Buffer;
  /** Writes a line to the control socket. */
  order: (line: string) => void;
  /** The connection has ended. */
  hangUp: () => void;
  /** Closes the control socket: the sidecar has ended. */
  abandon: () => void;
  /** Resolves with what the helper said of how its session ended, while it stays for what is left of it. */
  left: Promise<string>;
  /** Resolves when the output holds the text. */
  sees: (text: string | RegExp) => Promise<void>;
  /** Resolves when the helper has ended and its streams have. */
  ended: Promise<Ending>;
};

export type SessionOptions = {
  /** The session's. */ env?: NodeJS.ProcessEnv;
  /** Leave stdout to the test. */ ownOutput?: boolean;
};

/** Bounds every test: what is not over by then never will be. */
const LIMIT_MS = 60_000;

/** Starts a command whose last word is the helper's; the helper gets what it gets from the sidecar. */
export function startSession(command: readonly string[], options: SessionOptions = {}): Session {
  const { words, launch } = launchOf(command, options.env ?? { PATH: process.env['PATH'] });
  const [program = '', ...argv] = words;
  const child = spawn(program, argv, {
    env: { PATH: process.env['PATH'] },
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
  const { stdin, stdout, stderr } = child;
  const control = child.stdio[3];
  if (!(control instanceof Duplex)) throw new TypeError('no control socket');
  // The helper may be gone before it has read everything.
  stdin.on('error', () => undefined);
  control.on('error', () => undefined);
  control.write(launch);
  const output: Buffer[] = [];
  const errors = collect(stderr);
  if (options.ownOutput !== true) stdout.on('data', (chunk: Buffer) => output.push(chunk));
  const bytes = () => Buffer.concat(output);
  const ended = endingOf(child);
  return {
    pid: child.pid ?? 0,
    stdin,
    stdout,
    bytes,
    output: () => bytes().toString(),
    errors: () => Buffer.concat(errors).toString(),
    order: (line) => void control.write(`${line}\n`),
    hangUp: () => void control.write('hangup\n'),
    abandon: () => void control.destroy(),
    left: new Promise((resolve) => control.once('data', (line: Buffer) => resolve(line.toString()))),
    sees: (text) => sees(stdout, () => bytes().toString(), text),
    ended,
  };
}

/** A session's own words and variables go to `run` over its control socket, as from the sidecar. */
function launchOf(command: readonly string[], env: NodeJS.ProcessEnv): { words: readonly string[]; launch: Buffer } {
  const run = command.indexOf('run');
  const end = command.indexOf('--', run);
  const own = command.slice(end + 1);
  if (run < 0 || end < 0 || own.length === 0) return { words: command, launch: Buffer.alloc(0) };
  const variables = Object.entries(env).map(([name, value]): [string, Buffer] => [name, Buffer.from(value ?? '')]);
  const launch = launchBytes(
    own.map((word) => Buffer.from(word)),
    new Map(variables),
  );
  return { words: [...command.slice(0, end), '--launch-length', `${launch.length}`], launch };
}

/** Runs to the end with this input. */
export async function runSession(command: readonly string[], input: string | Buffer = '', options?: SessionOptions) {
  const session = startSession(command, options);
  session.stdin.end(input);
  const ending = await session.ended;
  return { ...ending, stdout: session.output(), stderr: session.errors(), bytes: session.bytes() };
}

function collect(stream: Readable): Buffer[] {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return chunks;
}

function endingOf(child: ChildProcess): Promise<Ending> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal });
    });
  });
}

function sees(stream: Readable, output: () => string, wanted: string | RegExp): Promise<void> {
  const found = () => (typeof wanted === 'string' ? output().includes(wanted) : wanted.test(output()));
  return new Promise((resolve, reject) => {
    const look = () => {
      if (found()) stop(resolve);
    };
    const ended = () => stop(() => reject(new Error(`ended without ${wanted}: ${JSON.stringify(output())}`)));
    const stop = (settle: () => void) => {
      stream.off('data', look).off('close', ended);
      settle();
    };
    stream.on('data', look).on('close', ended);
    look();
  });
}

/** Resolves when there is no such process any more. */
export async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false; // ESRCH: the answer we wait for
  }
}
