import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { Channel } from '../lib/ssh/connection/channel.ts';
import { isRfcSignal, type TerminalSize } from '../lib/ssh/connection/channel-requests.ts';
import { sendFrom, type Sink } from '../lib/ssh/connection/streams.ts';
import type { EnterCommand } from './enter-arguments.ts';
import type { Variables } from './environment.ts';
import { fail, finish, NOT_STARTED, type Outcome } from './outcome.ts';

export type ProgramSpec = EnterCommand & { enterPath: string; environment: Variables };

/** What a program is connected to. */
export type ProgramEnds = { channel: Channel; input: Sink };

/** A session's running program. */
export type Program = {
  /** The channel can send again. */
  resume: () => void;
  /** Nobody reads its output any more: the next write is a broken pipe to it. */
  stopOutput: () => void;
  resize: (size: TerminalSize) => void;
  /** Sends a signal of RFC 4254 §6.10 to the program; false for any other. */
  signal: (name: string) => boolean;
  /** A break (RFC 4335): what a serial line's would do to the terminal; nothing without one. False where it was not sent. */
  sendBreak: () => boolean;
  /** It was revoked: SIGHUP to everything that the session started, and a second later SIGKILL; daemons too. */
  kill: () => void;
  /** The session is over: SIGHUP now, and SIGKILL to what does not heed it. */
  hangUp: () => void;
};

const MAX_UNREAD_ORDERS = 4096;

/** What the helper reads first (`enter/launch.h`): as bytes, which Node's own arguments and variables cannot be. */
export function launchBytes(argv: readonly Buffer[], environment: Variables): Buffer {
  const entries = [...environment].map(([name, value]) => Buffer.concat([Buffer.from(`${name}=`, 'latin1'), value]));
  const strings = [Buffer.from(`${argv.length}`), ...argv, ...entries];
  return Buffer.concat(strings.flatMap((string) => [string, NUL]));
}

const NUL = Buffer.of(0);

type Streams = { stdin: Writable; stdout: Readable; stderr: Readable; control: Duplex };

/**
 * Starts the helper, which starts the program, and connects it to the channel. When it has ended and everything it
 * wrote is on its way, sends EOF, how it ended, and CLOSE; then calls `onEnd`, once, also where it could not start.
 */
export function startProgram(
  spec: ProgramSpec,
  { channel, input }: ProgramEnds,
  onEnd: (outcome: Outcome) => void,
): Program {
  const launch = launchBytes(spec.argv, spec.environment);
  const child = spawn(spec.enterPath, [...spec.options, '--launch-length', `${launch.length}`], {
    env: {},
    cwd: '/',
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
  whenEnded(child, channel, onEnd);
  const streams = streamsOf(child);
  const sources = [
    sendFrom(streams.stdout, channel, { stderr: false, onEnd: () => undefined }),
    sendFrom(streams.stderr, channel, { stderr: true, onEnd: () => undefined }),
  ];
  streams.stdin.on('error', () => channel.discard());
  // The helper reads nothing more from its control socket once its program has ended.
  streams.control.on('error', () => undefined);
  streams.control.write(launch);
  const order = (line: string) => say(streams.control, line, launch.length + MAX_UNREAD_ORDERS);
  input.attach(streams.stdin);
  return {
    resume: () => sources.forEach((source) => source.resume()),
    stopOutput: () => sources.forEach((source) => source.stop()),
    resize: ({ columns, rows, width, height }) => void order(`size ${columns} ${rows} ${width} ${height}`),
    signal: (name) => isRfcSignal(name) && order(`signal ${name}`),
    sendBreak: () => order('break'),
    kill: () => {
      // Whatever waits there: a helper that reads nothing any more has ended.
      if (streams.control.writable) streams.control.write('kill\n');
      for (const stream of [streams.stdin, streams.stdout, streams.stderr]) stream.destroy();
    },
    hangUp: () => {
      for (const stream of [streams.control, streams.stdin, streams.stdout, streams.stderr]) stream.destroy();
    },
  };
}

// The helper reads at once; where it does not, orders must not pile up behind what it is launched with.
function say(control: Duplex, line: string, unread: number): boolean {
  if (!control.writable || control.writableLength > unread) return false;
  control.write(`${line}\n`);
  return true;
}

function streamsOf(child: ChildProcess): Streams {
  const { stdin, stdout, stderr } = child;
  const control = child.stdio[3];
  if (stdin === null || stdout === null || stderr === null || !isDuplex(control))
    throw new Error('a child process has no pipes');
  return { stdin, stdout, stderr, control };
}

const isDuplex = (stream: unknown): stream is Duplex =>
  typeof stream === 'object' && stream !== null && 'write' in stream && 'read' in stream;

function whenEnded(child: ChildProcess, channel: Channel, onEnd: (outcome: Outcome) => void): void {
  let started = true;
  child.once('error', (error) => {
    started = false;
    fail(channel, `the helper cannot be run: ${error.message}`);
    onEnd(NOT_STARTED);
  });
  // `close` comes when the streams have ended too, so all output is in the channel's queue.
  child.once('close', (code, signal) => {
    if (!started) return;
    finish(channel, { code, signal });
    onEnd({ code, signal });
  });
}
