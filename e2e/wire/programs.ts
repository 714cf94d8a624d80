/** Programs of ours as processes on loopback: started, waited for, and ended. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';

const LogLine = z.looseObject({ msg: z.string(), port: z.number().optional() });
export type LogLine = z.infer<typeof LogLine>;

export type Program = { child: ChildProcess; log: LogLine[]; stderr: string[]; port: number };

/** Starts a program of ours and waits until it says that it listens. */
export async function start(script: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Program> {
  const path = join(import.meta.dirname, '../..', script);
  const child = spawn(process.execPath, [path, ...args], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log: LogLine[] = [];
  const stderr: string[] = [];
  createInterface(child.stderr).on('line', (line) => stderr.push(line));
  const listening = Promise.withResolvers<number>();
  createInterface(child.stdout).on('line', (text) => {
    const line = LogLine.parse(JSON.parse(text));
    log.push(line);
    if (line.msg === 'listening' && line.port !== undefined) listening.resolve(line.port);
  });
  child.once('exit', (code) =>
    listening.reject(new Error(`${script} ended with ${code}:\n${stderr.join('\n')}\n${JSON.stringify(log)}`)),
  );
  return { child, log, stderr, port: await listening.promise };
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  // The piper waits for its sessions; a second signal tells it not to.
  setTimeout(() => child.kill('SIGINT'), 500).unref();
  await ended;
}
