/** A container as the script finds it: process 1 of its own, its own loopback, mounts, /run, and a volume that outlives it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openSsh, sshKeygen, temporaryDirectory } from '../../../lib/ssh/testing/openssh.ts';
import { INIT_SCRIPT_FILE } from '../init-script.ts';

/** Nobody in this machine's /etc/passwd. */
export const APP_UID = 54_321;
export const USERNAMES = ['acme-hello', 'acme-hello-dev'];
export const SHELLS = ['/bin/dash', '/bin/bash', '/bin/busybox sh'];

export const SETTINGS: Readonly<Record<string, string>> = {
  LOCAL_FORWARDING: 'loopback',
  REMOTE_FORWARDING: 'none',
  SOCKET_FORWARDING: 'no',
  AGENT_FORWARDING: 'no',
  X11_FORWARDING: 'no',
  AUDIT_LOGGING: 'yes',
  CLIENT_ENVIRONMENT: 'LANG LC_* TERM',
};

export const FACTS: Readonly<Record<string, string>> = {
  SSHACCESS_USER: 'acme-hello',
  SSHACCESS_ROLE: 'root',
  SSHACCESS_CLIENT: '203.0.113.7 40022',
  SSHACCESS_SESSION: '5f1c9a3be07d4426',
  SSHACCESS_SFTP: 'read-write',
};

export type ContainerOptions = {
  /** Of process 1; default: {@link APP_UID}. */
  uid?: number;
  /** What runs the script; default: its own `#!`. */
  shell?: string;
  env?: Readonly<Record<string, string>>;
  /** Shell commands of root in the container's mount namespace, before process 1 starts. */
  mounts?: string;
};

/** How a client's program ended. */
export type Ended = { code: number | null; stdout: Buffer; stderr: string };

export type Container = {
  /** What kubectl logs shows. */
  log: () => string;
  /** The SSH_AUDIT lines so far, without their time: a session of this call's has left its own after all of them. */
  audit: () => Promise<string[]>;
  /** Process 1's, once it has ended. */
  code: () => number | null;
  /** Runs one of OpenSSH's client programs in the container's network: `ssh`, `sftp`, `scp`, `ssh-keyscan`. */
  client: (program: string, args: readonly string[], more?: ClientOptions) => Promise<Ended>;
  ssh: (command: string, more?: ClientOptions) => Promise<Ended>;
  stop: () => Promise<void>;
};
export type ClientOptions = { facts?: Readonly<Record<string, string>>; input?: string | Buffer };

export class Pod {
  readonly #directory = temporaryDirectory();
  readonly #containers: ChildProcess[] = [];
  readonly path = this.#directory.path;
  readonly runtime = join(this.path, 'runtime');
  readonly secret = join(this.path, 'secret');
  readonly #mappingKey = sshKeygen(this.path, 'mapping', ['-t', 'ed25519']);

  constructor(settings: Readonly<Record<string, string>> = {}) {
    if (process.getuid?.() !== 0) throw new Error('these tests change uids: run them as root');
    chmodSync(this.path, 0o755);
    for (const folder of [this.runtime, this.secret, join(this.path, 'ssh-init')]) mkdirSync(folder);
    // As an emptyDir is, whatever the umask.
    chmodSync(this.runtime, 0o777);
    const host = sshKeygen(this.path, 'host', ['-t', 'ed25519']);
    this.write('host-key', host.privateKey);
    this.write('mapping-key.pub', `${this.#mappingKey.publicLine}\n`);
    const lines = Object.entries({ ...SETTINGS, ...settings }).map(([name, value]) => `${name}=${value}\n`);
    this.write('sshd-settings', lines.join(''));
    copyFileSync(INIT_SCRIPT_FILE, join(this.path, 'ssh-init', '05-ssh-init.sh'));
    chmodSync(join(this.path, 'ssh-init', '05-ssh-init.sh'), 0o555);
    writeFileSync(join(this.path, 'known_hosts'), `[127.0.0.1]:2222 ${host.publicLine}\n`);
  }

  /** A file of the pod's Secret. */
  write(name: string, text: string): void {
    writeFileSync(join(this.secret, name), text);
    chmodSync(join(this.secret, name), 0o444);
  }

  /** Starts the entrypoint that docs/bring-your-own-image.md prints; done when sshd listens or the container has ended. */
  async start(options: ContainerOptions = {}): Promise<Container> {
    const { uid = APP_UID } = options;
    const child = spawn('unshare', ['--mount', '--net', '/bin/sh', '-euc', this.#asRoot(options, uid)], {
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        SSH_CONTAINER_ROLE: 'sidecar',
        SSH_RUNTIME_DIR: this.runtime,
        SSHACCESS_SECRET_DIR: this.secret,
        SSH_AUTHORIZED_KEYS_FILE: join(this.runtime, 'home/.ssh/authorized_keys'),
        SSH_USERNAMES: USERNAMES.join(','),
        PUID: String(APP_UID),
        PGID: String(APP_UID),
        ...options.env,
      },
    });
    this.#containers.push(child);
    let log = '';
    child.stdout.on('data', (chunk: Buffer) => (log += chunk.toString('latin1')));
    child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString('latin1')));
    const closed = once(child, 'close');
    await until(() => log.includes('Server listening on ::') || child.exitCode !== null);
    if (child.exitCode !== null) await closed;
    const client: Container['client'] = (program, args, more) => this.#client(child, [program, ...args], more);
    return {
      log: () => log,
      audit: async () => {
        const session = crypto.randomUUID();
        await client('ssh', ['acme-hello@127.0.0.1', ':'], { facts: { ...FACTS, SSHACCESS_SESSION: session } });
        await until(
          () => log.includes(`session=${session} cmd=`),
          () => log,
        );
        const lines = [...log.matchAll(/^\S+ (SSH_AUDIT .*)$/gm)].map(([, line = '']) => line);
        return lines.filter((line) => line.includes(`session=${FACTS['SSHACCESS_SESSION']}`));
      },
      code: () => child.exitCode,
      client,
      ssh: (command, more) => client('ssh', ['acme-hello@127.0.0.1', command], more),
      stop: async () => {
        end(child);
        await closed;
      },
    };
  }

  /** What root does before process 1 starts: there is a new /run, a loopback, and /dev/termination-log. */
  #asRoot({ mounts = '', shell = '' }: ContainerOptions, uid: number): string {
    const entrypoint = join(this.path, 'entrypoint.sh');
    writeFileSync(entrypoint, printedEntrypoint().replaceAll('/ssh-init/', `${this.path}/ssh-init/`));
    if (shell !== '') {
      const own = readFileSync(entrypoint, 'utf8');
      writeFileSync(
        entrypoint,
        own.replace(/^ +\/.*05-ssh-init\.sh$/m, (line) => `${shell} ${line.trim()}`),
      );
    }
    chmodSync(entrypoint, 0o755);
    const ids = `--reuid ${uid} --regid ${uid} --clear-groups`;
    return [
      'mount -t tmpfs -o mode=755 none /run',
      '/bin/busybox ifconfig lo up',
      mounts,
      `exec unshare --pid --fork --mount-proc setpriv ${ids} ${entrypoint}`,
    ].join('\n');
  }

  async #client(container: ChildProcess, words: readonly string[], more: ClientOptions = {}): Promise<Ended> {
    const [program = 'ssh', ...args] = words;
    const facts = Object.entries(more.facts ?? FACTS).map(([name, value]) => `"${name}=${value}"`);
    const config = join(this.path, `client-${crypto.randomUUID()}`);
    const lines = [
      'Port 2222',
      `IdentityFile ${this.#mappingKey.path}`,
      'IdentitiesOnly yes',
      `UserKnownHostsFile ${join(this.path, 'known_hosts')}`,
      'StrictHostKeyChecking yes',
      'LogLevel ERROR',
      ...(facts.length === 0 ? [] : [`SetEnv ${facts.join(' ')}`]),
    ];
    writeFileSync(config, `${lines.join('\n')}\n`);
    const own = program === 'ssh-keyscan' ? [] : ['-F', config];
    const inNetwork = ['--target', String(container.pid), '--net', program, ...own, ...args];
    const child = spawn('nsenter', inNetwork, { stdio: 'pipe', env: { PATH: process.env['PATH'] } });
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    // A server that refuses what it is sent is what some tests are about.
    child.stdin.on('error', () => undefined);
    child.stdin.end(more.input ?? '');
    await once(child, 'close');
    return { code: child.exitCode, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() };
  }

  remove(): void {
    for (const container of this.#containers) end(container);
    this.#directory.remove();
  }
}

/** Kills process 1 of the container, and so all that runs in it. */
function end({ pid, exitCode }: ChildProcess): void {
  if (pid === undefined || exitCode !== null) return;
  const [first] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
  process.kill(Number(first) || pid, 'SIGKILL');
}

/** Polls; what does not come within a minute fails, with `why` to read. */
export async function until(holds: () => boolean, why: () => string = () => ''): Promise<void> {
  const latest = performance.now() + 60_000;
  while (!holds()) {
    if (performance.now() > latest) throw new Error(`waited in vain for ${String(holds)}\n${why()}`);
    await delay(20);
  }
}

function printedEntrypoint(): string {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/bring-your-own-image.md'), 'utf8');
  const block = /^```sh\n(#!.*?)^```$/ms.exec(page)?.[1];
  if (block === undefined) throw new Error('docs/bring-your-own-image.md prints no entrypoint');
  return block;
}

/** Where this machine has sshd and its sftp-server. */
export const SSHD = openSsh('sshd');
export const SFTP_SERVER = ['/usr/lib/openssh/sftp-server', '/usr/libexec/openssh/sftp-server'].find((path) =>
  existsSync(path),
);
