/** One user of one column: OpenSSH's programs over one multiplexed connection, and clients of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { type Login, scp, scratch, sftp, ssh, sshCommand } from '../support/openssh.ts';
import { type Finished, type RunOptions, run } from '../support/process.ts';
import { RawUser } from './raw-user.ts';

type SshOptions = RunOptions & { ssh?: readonly string[] };
let count = 0;

export class Client {
  readonly login: Login;
  readonly #socket = join(scratch, `mux-${count++}`);
  readonly #children: ChildProcess[] = [];
  readonly #raw: RawUser[] = [];

  constructor(login: Login) {
    this.login = login;
  }

  /** Logs in, once and for the programs that follow: a handshake for each would be most of what they cost. */
  async connect(): Promise<void> {
    const master = this.spawn(['-N', '-M', '-S', this.#socket]);
    await eventually(
      async () => {
        // Without it the programs connect by themselves, and show why they cannot.
        if (master.exitCode === null && !existsSync(this.#socket))
          throw new Error(`${this.login.user} does not log in`);
      },
      30_000,
      20,
    );
  }

  /** Runs a command over the common connection. */
  ssh(command: string, options: SshOptions = {}): Promise<Finished> {
    return ssh(this.login, command, { timeoutMs: 30_000, ...options, ssh: [...this.#shared, ...(options.ssh ?? [])] });
  }

  /** Runs a command over a connection of its own. */
  alone(command: string, options: SshOptions = {}): Promise<Finished> {
    return ssh(this.login, command, { timeoutMs: 30_000, ...options });
  }

  sftp(batch: string, ...flags: string[]): Promise<Finished> {
    return sftp(this.login, batch, ...this.#shared, ...flags);
  }

  scp(from: string, to: string, ...flags: string[]): Promise<Finished> {
    return scp(this.login, from, to, ...this.#shared, ...flags);
  }

  rsync(from: string, to: string): Promise<Finished> {
    const shell = ['ssh', ...this.#shared, ...sshCommand(this.login, []).slice(1, -1)].join(' ');
    const [host = ''] = sshCommand(this.login, []).slice(-1);
    return run(['rsync', '-e', shell, from, `${host}:${to}`]);
  }

  /** Starts an `ssh` that stays; `stop` ends it. */
  spawn(options: readonly string[], ...command: string[]): ChildProcess {
    const [program = '', ...args] = sshCommand(this.login, ['-o', 'LogLevel=INFO', ...options], ...command);
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#children.push(child);
    return child;
  }

  /** A client that can send any message. */
  async raw(): Promise<RawUser> {
    const user = await RawUser.connect(this.login);
    this.#raw.push(user);
    return user;
  }

  /** Ends what a feature has left open: the sessions of a user are counted, on all of their connections. */
  async settle(): Promise<void> {
    const open = this.#raw.splice(0);
    for (const user of open) await user.close();
    if (open.length === 0) return;
    await eventually(async () => {
      const { code, stderr } = await this.ssh('true');
      if (code !== 0) throw new Error(stderr);
    }, 30_000);
  }

  /** Ends every connection of this user. */
  async stop(): Promise<void> {
    for (const user of this.#raw.splice(0)) await user.close();
    for (const child of this.#children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
  }

  get #shared(): string[] {
    return ['-o', `ControlPath=${this.#socket}`];
  }
}
