import { NO_ACTIVITY } from '../crds/identity-assertion.ts';
import { acceptsCommand, type SessionPolicy } from '../crds/session-policy.ts';
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
import { isClientValue, mayClientSet, type Variables } from './environment.ts';
import { fail, type Outcome } from './outcome.ts';
import type { Program } from './program.ts';
import { commandRefusal } from './refused-command.ts';

/** Everything that a session's program is started from. */
export type ProgramStart = {
  request: ProgramRequest;
  terminal: PseudoTerminal | undefined;
  clientVariables: Variables;
  /** Those that lead to the session's resources. */
  ownVariables: Readonly<Record<string, string>>;
  channel: Channel;
  /** Gets what the client sends, from the start of the session on. */
  input: Sink;
};

/** What a session has besides its program, such as the socket of a forwarded agent. */
export type SessionResource = {
  /** What leads its programs there. */
  variables: Readonly<Record<string, string>>;
  close: () => void;
};

/** The requests that make one: it reads the fields at once, and answers undefined where there is none to be had. */
export type MakeResource = (fields: Reader) => Promise<SessionResource | undefined>;

export type SessionOptions = {
  policy: SessionPolicy;
  channel: Channel;
  log: Logger;
  audit: (event: AuditEvent) => void;
  /** Resolves with the running program, or undefined where the channel is gone before it could start. */
  start: (start: ProgramStart, onEnd: (outcome: Outcome) => void) => Promise<Program | undefined>;
  /** By the channel request that asks for it; each at most once. */
  resources: ReadonlyMap<string, MakeResource>;
  /** Called once, when neither the channel nor a program or resource of it is left. */
  onGone: () => void;
};

// What OpenSSH sends for a terminal takes some 300 bytes.
const MAX_TERMINAL_MODES = 1024;
const TERMINAL_NAME = /^[A-Za-z0-9][A-Za-z0-9+._-]{0,63}$/;

export type ServedSession = {
  events: ChannelEvents;
  /** Says something on the session's terminal, where it has one that can take it now. It is no activity. */
  tell: (sentence: string) => void;
  /** The user's access has ended: nothing of what the session started is to stay. */
  kill: () => void;
};

/** One session channel (RFC 4254 §6): a terminal, perhaps, and variables; then one program; then its signals and sizes. */
export function serveSession(options: SessionOptions): ServedSession {
  const session = new Session(options);
  const events: ChannelEvents = {
    onData: (data) => session.input.write(data),
    onEof: () => session.input.end(),
    onRequest: (request) => session.receiveRequest(request),
    onWritable: () => session.program?.resume(),
    onEndOfWrite: () => session.program?.stopOutput(),
    onClose: () => session.close(),
  };
  return { events, tell: (sentence) => session.tell(sentence), kill: () => session.kill() };
}

class Session {
  readonly #options: SessionOptions;
  readonly #variables = new Map<string, Buffer>();
  readonly #resources = new Map<string, Promise<SessionResource | undefined>>();
  readonly input: Sink;
  #terminal: PseudoTerminal | undefined;
  #state: 'preparing' | 'starting' | 'running' | 'ended' = 'preparing';
  #channelGone = false;
  #killed = false;
  program: Program | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.input = new Sink(options.channel);
  }

  close(): void {
    this.#channelGone = true;
    // Who has been told to kill is not told to hang up: that would be to let daemons live.
    if (!this.#killed) this.program?.hangUp();
    const released = this.#release();
    if (this.#state === 'preparing' || this.#state === 'ended') void released.then(this.#options.onGone);
  }

  kill(): void {
    this.#killed = true;
    this.program?.kill();
  }

  tell(sentence: string): void {
    const { channel } = this.#options;
    // Where the terminal has not taken what it got before, one line more would only be held in memory.
    if (this.#terminal === undefined || this.#state !== 'running' || channel.waiting) return;
    channel.notify(NO_ACTIVITY, Buffer.alloc(0));
    channel.write(Buffer.from(`\r\nsshaccess: ${sentence}\r\n`));
  }

  receiveRequest({ type, fields }: ChannelRequest): boolean | Promise<boolean> {
    switch (type) {
      case 'pty-req':
        return this.#receiveTerminal(fields);
      case 'env':
        return this.#receiveVariable(fields);
      case 'window-change':
        return this.#receiveSize(fields);
      case 'signal':
        return this.#receiveSignal(fields);
      case 'break':
        return this.#receiveBreak(fields);
      case 'shell':
        fields.end();
        return this.#receiveShell();
      case 'exec':
        return this.#receiveExec(readOneString(fields));
      case 'subsystem':
        return this.#receiveSubsystem(readOneString(fields).toString('latin1'));
      default:
        return this.#makeResource(type, fields);
    }
  }

  /** The answer waits for the resource, and so does the program. */
  #makeResource(type: string, fields: Reader): boolean | Promise<boolean> {
    const make = this.#options.resources.get(type);
    if (make === undefined || this.#state !== 'preparing' || this.#resources.has(type)) return false;
    const made = make(fields).catch((error: unknown) => {
      this.#options.log.info({ err: error, request: type }, 'refused: it cannot be made here');
      return undefined;
    });
    this.#resources.set(type, made);
    return made.then((resource) => resource !== undefined);
  }

  #receiveTerminal(fields: Reader): boolean {
    const terminal = readPseudoTerminal(fields);
    if (!this.#options.policy.pty || this.#state !== 'preparing' || this.#terminal !== undefined) return false;
    if (terminal.modes.length > MAX_TERMINAL_MODES) return false;
    this.#terminal = { ...terminal, term: TERMINAL_NAME.test(terminal.term) ? terminal.term : 'dumb' };
    return true;
  }

  #receiveVariable(fields: Reader): boolean {
    const { name, value } = readEnvironmentVariable(fields);
    if (this.#state !== 'preparing' || !isClientValue(value)) return false;
    if (!mayClientSet(this.#options.policy, this.#variables, name)) return false;
    this.#variables.set(name, value);
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

  /** RFC 4335; how long it is to last means nothing to a terminal that has no line. */
  #receiveBreak(fields: Reader): boolean {
    fields.uint32();
    fields.end();
    return this.program?.sendBreak() ?? false;
  }

  #receiveShell(): boolean {
    const { commands } = this.#options.policy;
    const event = { type: 'connect' } as const;
    if (commands === null) return this.#start(event, { type: 'shell' });
    return this.#refuse({ ...event, refused: true }, commandRefusal(commands));
  }

  #receiveExec(command: Buffer): boolean {
    const { policy } = this.#options;
    const event = { type: 'exec', command } as const;
    if (!acceptsCommand(policy, command))
      return this.#refuse({ ...event, refused: true }, commandRefusal(policy.commands ?? []));
    // The kernel ends an argument there.
    if (command.includes(0)) return this.#refuse(event, 'the command has a NUL, and cannot be run as it is');
    return this.#start(event, { type: 'exec', command });
  }

  #receiveSubsystem(name: string): boolean {
    if (name !== 'sftp' || this.#state !== 'preparing') return false;
    if (this.#options.policy.sftp.access !== 'none') return this.#start({ type: 'subsystem', name }, { type: 'sftp' });
    this.#options.audit({ type: 'subsystem', name, refused: true });
    return false;
  }

  /** RFC 4254 §6.5: only one of these requests can succeed per channel. */
  #start(event: AuditEvent, request: ProgramRequest): boolean {
    if (!this.#begin(event)) return false;
    this.#launch(request).catch((error: unknown) => {
      this.#options.log.error({ err: error }, 'session failed to start');
      this.#fail('the session cannot be started; see the log of the sidecar');
    });
    return true;
  }

  /** As a server does whose shell would refuse: the request succeeds, so that the user gets to read why nothing runs. */
  #refuse(event: AuditEvent, reason: string): boolean {
    if (!this.#begin(event)) return false;
    // The answer to the request goes first.
    void this.#prepared().then(() => this.#fail(reason));
    return true;
  }

  #begin(event: AuditEvent): boolean {
    if (this.#state !== 'preparing') return false;
    this.#state = 'starting';
    const { audit } = this.#options;
    if (event.type !== 'connect' && event.refused !== true) audit({ type: 'connect' });
    audit(event);
    return true;
  }

  /** Waits for the answers to what came before, and what they are about. */
  async #prepared(): Promise<SessionResource[]> {
    const resources = await Promise.all(this.#resources.values());
    return resources.filter((resource) => resource !== undefined);
  }

  async #launch(request: ProgramRequest): Promise<void> {
    const { channel, start } = this.#options;
    const resources = await this.#prepared();
    const input: ProgramStart = {
      request,
      terminal: this.#terminal,
      clientVariables: this.#variables,
      ownVariables: Object.assign({}, ...resources.map(({ variables }) => variables)),
      channel,
      input: this.input,
    };
    const program = await start(input, (outcome) => this.#ended(request, outcome));
    if (program === undefined || this.#channelGone) {
      if (this.#killed) program?.kill();
      else program?.hangUp();
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

  #ended(request: ProgramRequest, { code, signal }: Outcome): void {
    this.#options.log.info({ request: request.type, exitCode: code, signal }, 'program ended');
    this.#end();
  }

  #fail(message: string): void {
    fail(this.#options.channel, message);
    this.#end();
  }

  #end(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    const released = this.#release();
    if (this.#channelGone) void released.then(this.#options.onGone);
  }

  /** Resolves when none is being made any more: until then a session counts, or who opens and closes piles them up. */
  async #release(): Promise<void> {
    const closings = [...this.#resources.values()].map((resource) => resource.then((made) => made?.close()));
    this.#resources.clear();
    await Promise.all(closings);
  }
}
