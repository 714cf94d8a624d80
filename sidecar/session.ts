import type { IdentityAssertion } from '../crds/identity-assertion.ts';
import type { Logger } from '../lib/process/logger.ts';
import type { Channel, ChannelEvents } from '../lib/ssh/connection/channel.ts';
import {
  type ChannelRequest,
  isRfcSignal,
  type PseudoTerminal,
  readEnvironmentVariable,
  readOneString,
  readPseudoTerminal,
  readWindowChange,
} from '../lib/ssh/connection/channel-requests.ts';
import { Sink } from '../lib/ssh/connection/streams.ts';
import type { Reader } from '../lib/ssh/wire.ts';
import type { AuditEvent } from './audit.ts';
import type { ProgramRequest } from './enter-arguments.ts';
import { clientValue, mayClientSet, programText } from './environment.ts';
import { fail, type Outcome } from './outcome.ts';
import type { Program } from './program.ts';

/** Everything that a session's program is started from. */
export type ProgramStart = {
  request: ProgramRequest;
  terminal: PseudoTerminal | undefined;
  clientVariables: ReadonlyMap<string, string>;
  channel: Channel;
  /** Gets what the client sends, from the start of the session on. */
  input: Sink;
};

export type SessionOptions = {
  assertion: IdentityAssertion;
  channel: Channel;
  log: Logger;
  audit: (event: AuditEvent) => void;
  /** Resolves with the running program, or undefined where the channel is gone before it could start. */
  start: (start: ProgramStart, onEnd: (outcome: Outcome) => void) => Promise<Program | undefined>;
  /** Called once, when neither the channel nor a program of it is left. */
  onGone: () => void;
};

// What OpenSSH sends for a terminal takes some 300 bytes.
const MAX_TERMINAL_MODES = 1024;
const TERMINAL_NAME = /^[A-Za-z0-9][A-Za-z0-9+._-]{0,63}$/;

const TOO_BIG = 'the command and the environment are longer than the kernel lets a program have';
const isTooBig = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'E2BIG';

/** One session channel (RFC 4254 §6): a terminal, perhaps, and variables; then one program; then its signals and sizes. */
export function serveSession(options: SessionOptions): ChannelEvents {
  const session = new Session(options);
  return {
    onData: (data) => session.input.write(data),
    onEof: () => session.input.end(),
    onRequest: (request) => session.receiveRequest(request),
    onWritable: () => session.program?.resume(),
    onEndOfWrite: () => session.program?.stopOutput(),
    onClose: () => session.close(),
  };
}

class Session {
  readonly #options: SessionOptions;
  readonly #variables = new Map<string, string>();
  readonly input: Sink;
  #terminal: PseudoTerminal | undefined;
  #state: 'preparing' | 'starting' | 'running' | 'ended' = 'preparing';
  #channelGone = false;
  program: Program | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.input = new Sink(options.channel);
  }

  close(): void {
    this.#channelGone = true;
    this.program?.hangUp();
    if (this.#state === 'preparing' || this.#state === 'ended') this.#options.onGone();
  }

  receiveRequest({ type, fields }: ChannelRequest): boolean {
    switch (type) {
      case 'pty-req':
        return this.#receiveTerminal(fields);
      case 'env':
        return this.#receiveVariable(fields);
      case 'window-change':
        return this.#receiveSize(fields);
      case 'signal':
        return this.#receiveSignal(fields);
      case 'shell':
        fields.end();
        return this.#start({ type: 'shell' }, { type: 'connect' });
      case 'exec':
        return this.#receiveExec(readOneString(fields));
      case 'subsystem':
        return this.#receiveSubsystem(readOneString(fields).toString('latin1'));
      default:
        return false;
    }
  }

  #receiveTerminal(fields: Reader): boolean {
    const terminal = readPseudoTerminal(fields);
    if (this.#state !== 'preparing' || this.#terminal !== undefined) return false;
    if (terminal.modes.length > MAX_TERMINAL_MODES) return false;
    this.#terminal = { ...terminal, term: TERMINAL_NAME.test(terminal.term) ? terminal.term : 'dumb' };
    return true;
  }

  #receiveVariable(fields: Reader): boolean {
    const { name, value } = readEnvironmentVariable(fields);
    const text = clientValue(value);
    if (this.#state !== 'preparing' || text === undefined) return false;
    if (!mayClientSet(this.#options.assertion.policy, this.#variables, name)) return false;
    this.#variables.set(name, text);
    return true;
  }

  #receiveSize(fields: Reader): boolean {
    const size = readWindowChange(fields);
    if (this.#terminal === undefined) return false;
    this.#terminal = { ...this.#terminal, size };
    this.program?.resize(size);
    return true;
  }

  #receiveSignal(fields: Reader): boolean {
    const name = readOneString(fields).toString('latin1');
    return isRfcSignal(name) && (this.program?.signal(name) ?? false);
  }

  #receiveExec(command: Buffer): boolean {
    const text = programText(command);
    if (text !== undefined) return this.#start({ type: 'exec', command: text }, { type: 'exec', command });
    if (this.#state !== 'preparing') return false;
    // The kernel ends arguments at a NUL, and Node starts programs with UTF-8 only.
    this.#options.audit({ type: 'connect' });
    this.#options.audit({ type: 'exec', command });
    this.#fail('the command is not UTF-8 text without NUL, and cannot be run as it is');
    return true;
  }

  #receiveSubsystem(name: string): boolean {
    return name === 'sftp' && this.#start({ type: 'sftp' }, { type: 'subsystem', name });
  }

  /** RFC 4254 §6.5: only one of these requests can succeed per channel. */
  #start(request: ProgramRequest, event: AuditEvent): boolean {
    if (this.#state !== 'preparing') return false;
    this.#state = 'starting';
    this.#options.audit({ type: 'connect' });
    if (event.type !== 'connect') this.#options.audit(event);
    this.#launch(request).catch((error: unknown) => {
      this.#options.log.error({ err: error }, 'session failed to start');
      this.#fail(isTooBig(error) ? TOO_BIG : 'the session cannot be started; see the log of the sidecar');
    });
    return true;
  }

  async #launch(request: ProgramRequest): Promise<void> {
    const { channel, start } = this.#options;
    const input = { request, terminal: this.#terminal, clientVariables: this.#variables, channel, input: this.input };
    const program = await start(input, (outcome) => this.#ended(request, outcome));
    if (program === undefined || this.#channelGone) {
      program?.hangUp();
      if (program === undefined) this.#end();
      return;
    }
    this.#run(program);
  }

  #run(program: Program): void {
    if (this.#state === 'starting') this.#state = 'running';
    this.program = program;
    // Its size may have changed while it was being started.
    if (this.#terminal !== undefined) program.resize(this.#terminal.size);
  }

  #ended(request: ProgramRequest, outcome: Outcome): void {
    this.#options.log.info({ request: request.type, ...outcome }, 'program ended');
    this.#end();
  }

  #fail(message: string): void {
    fail(this.#options.channel, message);
    this.#end();
  }

  #end(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    if (this.#channelGone) this.#options.onGone();
  }
}
