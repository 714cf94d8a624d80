import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** How a command ended. `stdoutSha256` is there where the output was hashed instead of kept. */
export type Finished = {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  stdoutSha256: string;
  stdoutBytes: number;
};

export type RunOptions = {
  /** Written to stdin, which is then closed. A stream of chunks keeps 1 GiB out of memory. */
  input?: string | AsyncIterable<Buffer> | Iterable<Buffer>;
  env?: NodeJS.ProcessEnv;
  /** Ends a command that hangs; the test then fails with what it had printed. Milliseconds. */
  timeoutMs?: number;
  /** Count and hash stdout instead of keeping it. */
  hashOnly?: boolean;
};

/** Runs a command without a shell and waits for its end; never throws for how it ended. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const [program, ...args] = command;
  if (program === undefined) throw new Error('no command');
  const child = spawn(program, args, {
    env: options.env ?? process.env,
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? 60_000,
    killSignal: 'SIGKILL',
  });
  const hash = createHash('sha256');
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  let stdoutBytes = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    hash.update(chunk);
    stdoutBytes += chunk.length;
    if (options.hashOnly !== true) out.push(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  const closed = new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve([code, signal]));
  });
  const [[code, signal]] = await Promise.all([closed, feed(child.stdin, options.input)]);
  return {
    code,
    signal,
    stdout: Buffer.concat(out).toString(),
    stderr: Buffer.concat(err).toString(),
    stdoutSha256: hash.digest('hex'),
    stdoutBytes,
  };
}

async function feed(stdin: Writable, input: RunOptions['input']): Promise<void> {
  const source = typeof input === 'string' ? [Buffer.from(input)] : (input ?? []);
  // A command may end without reading all of its input: that is its business, and its end tells.
  await pipeline(Readable.from(source), stdin).catch(() => undefined);
}

/** Runs a command that must succeed; answers its stdout. */
export async function succeed(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const finished = await run(command, options);
  if (finished.code === 0) return finished.stdout;
  throw new Error(
    `${command.join(' ')} ended with ${finished.code ?? finished.signal}:\n${finished.stderr}${finished.stdout}`,
  );
}
