/** OpenSSH's own client, driven as a person or a script would. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../scripts/machine/command.ts';
import type { Gateway } from './gateway.ts';

const MIB = 2 ** 20;
const TIMEOUT_MS = 300_000;

export type Direction = 'download' | 'upload';

export class OpenSshClient {
  readonly gateway: Gateway;
  readonly #folder: string;
  readonly #arguments: readonly string[];

  private constructor(gateway: Gateway, folder: string, words: readonly string[]) {
    this.gateway = gateway;
    this.#folder = folder;
    this.#arguments = words;
  }

  static async for(gateway: Gateway, folder: string): Promise<OpenSshClient> {
    const knownHosts = join(folder, `known-hosts-${gateway.port}`);
    await writeFile(knownHosts, `* ${await readFile(gateway.hostKey, 'utf8')}\n`);
    // The same cipher everywhere: an OpenSSH server agrees to its client's first choice, which costs three times as much.
    const common = ['-F', '/dev/null', '-c', 'aes128-gcm@openssh.com', '-i', gateway.key];
    const options = ['BatchMode=yes', 'IdentitiesOnly=yes', 'LogLevel=ERROR', `UserKnownHostsFile=${knownHosts}`];
    const words = [...common, ...options.flatMap((option) => ['-o', option])];
    const jump = ['ssh', ...words, '-p', `${gateway.jump}`, '-W', '%h:%p', `${gateway.user}@127.0.0.1`].join(' ');
    const via = gateway.jump === undefined ? [] : ['-o', `ProxyCommand=${jump}`];
    return new OpenSshClient(gateway, folder, [...words, ...via, '-p', `${gateway.port}`]);
  }

  /** Seconds from nothing to the exit status of `true`. */
  async connect(): Promise<number> {
    const begin = performance.now();
    await run('ssh', [...this.#arguments, this.#destination, 'true'], { timeout: TIMEOUT_MS });
    return (performance.now() - begin) / 1000;
  }

  /** Connections that are there already; what is measured over them is data alone. */
  async open(count: number): Promise<OpenConnections> {
    const sockets = Array.from({ length: count }, (_, index) => join(this.#folder, `${this.gateway.port}-${index}`));
    for (const socket of sockets) {
      // It goes into the background when it is logged in, and would hold a pipe open.
      const words = [...this.#arguments, '-M', '-S', socket, '-f', '-N', this.#destination];
      const child = spawn('ssh', words, { stdio: 'ignore' });
      const [code] = await once(child, 'exit');
      if (code !== 0) throw new Error(`ssh to ${this.gateway.name} failed (${code})`);
    }
    return new OpenConnections(sockets);
  }

  /** Sends a byte to `cat` and waits for it, `count` times; seconds. */
  async echo(count: number): Promise<number[]> {
    const child = spawn('ssh', [...this.#arguments, this.#destination, 'cat'], { stdio: ['pipe', 'pipe', 'ignore'] });
    const round = async (): Promise<number> => {
      const begin = performance.now();
      child.stdin.write('x');
      await once(child.stdout, 'data');
      return (performance.now() - begin) / 1000;
    };
    const seconds: number[] = [];
    await round();
    for (let index = 0; index < count; index++) seconds.push(await round());
    child.stdin.end();
    await once(child, 'exit');
    return seconds;
  }

  get #destination(): string {
    return `${this.gateway.user}@127.0.0.1`;
  }
}

export class OpenConnections {
  readonly #sockets: readonly string[];

  constructor(sockets: readonly string[]) {
    this.#sockets = sockets;
  }

  /** Moves `mib` on each of them at once; answers the seconds. */
  async transfer(direction: Direction, mib: number): Promise<number> {
    const begin = performance.now();
    await Promise.all(this.#sockets.map((socket) => run('sh', ['-c', SCRIPTS[direction], socket, `${mib * MIB}`])));
    return (performance.now() - begin) / 1000;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) await run('ssh', ['-S', socket, '-O', 'exit', 'any']);
  }
}

const SCRIPTS: Readonly<Record<Direction, string>> = {
  download: 'ssh -S "$0" any "head -c $1 /dev/zero" >/dev/null',
  upload: 'head -c "$1" /dev/zero | ssh -S "$0" any "cat >/dev/null"',
};
