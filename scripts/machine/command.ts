import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { SetupError } from './errors.ts';

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** A file that the program reads as its standard input. */
  readonly inputFile?: string;
  /** Milliseconds after which the program is killed. */
  readonly timeout?: number;
}

/** What a program printed; a non-zero exit is a SetupError with the end of its output. */
export async function run(program: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await attempt(program, args, options);
  if (code === 0) return stdout;
  const said = (stderr.trim() || stdout.trim()).split('\n').slice(-15).join('\n');
  throw new SetupError('COMMAND_FAILED', `${[program, ...args].join(' ').slice(0, 300)} failed (${code}):\n${said}`);
}

export interface CommandResult {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; never throws for how it ended, only if it is not there. */
export function attempt(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const file = options.inputFile === undefined ? undefined : openSync(options.inputFile, 'r');
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: [file ?? 'pipe', 'pipe', 'pipe'],
      timeout: options.timeout,
      killSignal: 'SIGKILL',
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
    if (file !== undefined) closeSync(file);
    // A program that ends before it has read its input is reported by its exit status.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input ?? '');
    child.once('error', (cause) => {
      reject(new SetupError('COMMAND_MISSING', `${program} could not be started: ${cause.message}`, { cause }));
    });
    child.once('close', (code, signal) => {
      resolve({
        code: code ?? signal ?? 'unknown',
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      });
    });
  });
}
