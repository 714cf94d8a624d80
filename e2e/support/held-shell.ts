/** Shells that stay open, each on a connection of its own, and prove later that they are the ones of before. */
import { type ChildProcess, spawn } from 'node:child_process';
import { type Login, sshCommand } from './openssh.ts';

/** For one answer, also on a machine that has much else to do. */
const ANSWER_MS = 60_000;
/** The piper takes twenty connections of one address that have not logged in yet. */
const OPENED_AT_ONCE = 10;

export class HeldShell {
  readonly #child: ChildProcess;
  /** Resolves when the client has ended, with what it said. */
  readonly ended: Promise<string>;
  #output = '';
  #onOutput: () => void = () => undefined;
  #questions = 0;
  /** The number of the shell's process in its pod. */
  #process = '';
  /** By which the gateway's record knows its connection. */
  clientPort = '';

  /**
   * Opens a shell and waits for its first answer.
   * @param options more of ssh's
   * @throws what the client said where there is none
   */
  static async open(login: Login, options: readonly string[] = []): Promise<HeldShell> {
    const shell = new HeldShell(login, options);
    [shell.#process = '', , shell.clientPort = ''] = await shell.#ask();
    return shell;
  }

  /** Opens many, some at once; those that were opened are ended if one cannot be. */
  static async openAll(logins: readonly Login[]): Promise<HeldShell[]> {
    const shells: HeldShell[] = [];
    for (let first = 0; first < logins.length; first += OPENED_AT_ONCE) {
      const opened = logins.slice(first, first + OPENED_AT_ONCE).map((login) => HeldShell.open(login));
      const settled = await Promise.allSettled(opened);
      for (const result of settled) if (result.status === 'fulfilled') shells.push(result.value);
      const failed = settled.find((result) => result.status === 'rejected');
      if (failed === undefined) continue;
      for (const shell of shells) shell.end();
      throw failed.reason;
    }
    return shells;
  }

  private constructor(login: Login, options: readonly string[]) {
    const [program = '', ...args] = sshCommand(login, ['-T', '-o', 'LogLevel=INFO', ...options], 'exec sh');
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.stdout.on('data', (chunk: Buffer) => {
      this.#output += chunk.toString();
      this.#onOutput();
    });
    // It may end while something is written to it; its end says more.
    child.stdin.on('error', () => undefined);
    this.ended = new Promise((resolve) => child.once('close', () => resolve(said.trim())));
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** @throws unless the very shell that was opened answers */
  async prove(): Promise<void> {
    const [process] = await this.#ask();
    if (process !== this.#process) throw new Error(`another shell answers: ${process}, and not ${this.#process}`);
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }

  async #ask(): Promise<string[]> {
    const question = `question-${++this.#questions}`;
    const answer = Promise.withResolvers<string[]>();
    this.#onOutput = () => {
      const words = new RegExp(`^${question} (.*)\\n`, 'm').exec(this.#output)?.[1];
      if (words !== undefined) answer.resolve(words.split(' '));
    };
    this.#child.stdin?.write(`echo ${question} $$ $SSH_CLIENT\n`);
    const silence = (): void => answer.reject(new Error(`the shell says nothing; so far: ${this.#output}`));
    const limit = setTimeout(silence, ANSWER_MS);
    const ended = this.ended.then((said) => Promise.reject(new Error(`the session has ended: ${said}`)));
    try {
      return await Promise.race([answer.promise, ended]);
    } finally {
      clearTimeout(limit);
    }
  }
}
