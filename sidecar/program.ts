import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
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
  /** Its session is over, and the helper stays as long as something is left of it: `kill` still ends that. */
  readonly isLeft: boolean;
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

/** What happens to a program: each at most once, in this order. */
export type ProgramEvents = {
  /** It has ended, or could not be started, and all it wrote is on its way. */
  onEnd: (outcome: Outcome) => void;
  /** Its session is over, and something of it stays. */
  onLeft: () => void;
  /** Nothing is left of it. */
  onGone: () => void;
};

const MAX_UNREAD_ORDERS = 4096;
/** The helper says one short line, if any. */
const MAX_LAST_WORDS = 64;

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
 * wrote is on its way, sends EOF, how it ended, and CLOSE.
 */
export function startProgram(spec: ProgramSpec, { channel, input }: ProgramEnds, events: ProgramEvents): Program {
  const launch = launchBytes(spec.argv, spec.environment);
  const child = spawn(spec.enterPath, [...spec.options, '--launch-length', `${launch.length}`], {
    env: {},
    cwd: '/',
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
  const streams = streamsOf(child);
  const order = (line: string) => say(streams.control, line, launch.length + MAX_UNREAD_ORDERS);
  const end = (line: string): void => {
    // Whatever waits there: a helper that reads nothing any more has ended.
    if (streams.control.writable) streams.control.write(line);
    for (const stream of [streams.stdin, streams.stdout, streams.stderr]) stream.destroy();
  };
  const sources = [
    sendFrom(streams.stdout, channel, { stderr: false, onEnd: () => undefined }),
    sendFrom(streams.stderr, channel, { stderr: true, onEnd: () => undefined }),
  ];
  const program = {
    isLeft: false,
    resume: () => sources.forEach((source) => source.resume()),
    stopOutput: () => sources.forEach((source) => source.stop()),
    resize: ({ columns, rows, width, height }: TerminalSize) =>
      void order(`size ${columns} ${rows} ${width} ${height}`),
    signal: (name: string) => isRfcSignal(name) && order(`signal ${name}`),
    sendBreak: () => order('break'),
    kill: () => end('kill\n'),
    hangUp: () => {
      end('hangup\n');
      leave();
    },
  };
  const leave = (): void => {
    if (program.isLeft || child.exitCode !== null || child.signalCode !== null) return;
    program.isLeft = true;
    events.onLeft();
  };
  whenEnded({ child, streams, channel }, { ...events, onLeft: leave });
  streams.stdin.on('error', () => channel.discard());
  // The helper reads nothing more from its control socket once nothing is left of its program.
  streams.control.on('error', () => undefined);
  streams.control.write(launch);
  input.attach(streams.stdin);
  return program;
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

type Running = { child: ChildProcess; streams: Streams; channel: Channel };

function whenEnded({ child, streams, channel }: Running, { onEnd, onLeft, onGone }: ProgramEvents): void {
  let isOver = false;
  const over = (outcome: Outcome, tell: (channel: Channel) => void): void => {
    if (isOver) return;
    isOver = true;
    tell(channel);
    onEnd(outcome);
  };
  child.once('error', (error) => {
    over(NOT_STARTED, () => fail(channel, `the helper cannot be run: ${error.message}`));
    onGone();
  });
  // All output is in the channel's queue when the streams have closed.
  const drained = Promise.all([closed(streams.stdout), closed(streams.stderr)]);
  lastWords(streams.control, (outcome) => {
    onLeft();
    void drained.then(() => over(outcome, () => finish(channel, outcome)));
  });
  child.once('close', (code, signal) => {
    over({ code, signal }, () => finish(channel, { code, signal }));
    onGone();
  });
}

const closed = (stream: Readable): Promise<void> =>
  new Promise((resolve) => (stream.closed ? resolve() : stream.once('close', resolve)));

/** What a helper says that stays when its session is over (`enter/linger.h`): how it ended. */
function lastWords(control: Duplex, onEnded: (outcome: Outcome) => void): void {
  let text = '';
  control.on('data', (bytes: Buffer) => {
    text = `${text}${bytes.toString('latin1')}`.slice(0, MAX_LAST_WORDS);
    const [, how, number] = /^ended (exit|signal) (\d+)\n/.exec(text) ?? [];
    if (number === undefined) return;
    text = '';
    onEnded(how === 'exit' ? { code: Number(number), signal: null } : { code: null, signal: signalName(number) });
  });
}

const signalName = (number: string): string =>
  Object.entries(constants.signals).find(([, value]) => value === Number(number))?.[0] ?? 'SIGHUP';
