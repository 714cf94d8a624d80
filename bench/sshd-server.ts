/** OpenSSH's sshd; with an app, its sessions are in the app's root, too: by its own ChrootDirectory. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { ensurePackages } from '../scripts/machine/apt.ts';
import type { App } from './app.ts';
import type { Target } from './client.ts';
import { type Server, until } from './server.ts';

const USER = 'bench';

/** `like`: with the keys of that one. */
export async function startSshd(port: number, { app, like }: { app?: App; like?: Target } = {}): Promise<Server> {
  await ensurePackages(['openssh-server']);
  const folder = await mkdtemp(join(tmpdir(), 'bench-sshd-'));
  const file = (name: string): string => join(folder, name);
  const keyOf = async (path?: string): Promise<PrivateKey> =>
    path === undefined ? PrivateKey.generateEd25519() : PrivateKey.parse(await readFile(path, 'utf8'));
  const [hostKey, userKey] = [
    await keyOf(like === undefined ? undefined : like.hostKey.replace(/\.pub$/, '')),
    await keyOf(like?.key),
  ];
  await writeFile(file('host-key'), hostKey.toOpenSsh(), { mode: 0o600 });
  await writeFile(file('host-key.pub'), hostKey.publicKey.toLine());
  await writeFile(file('key'), userKey.toOpenSsh(), { mode: 0o600 });
  await writeFile(file('authorized_keys'), `${userKey.publicKey.toLine()}\n`);
  // The shell is the app's busybox, as the sidecar's is.
  const passwd = `${await readFile('/etc/passwd', 'utf8')}${USER}:x:0:0::/:/bin/sh\n`;
  await writeFile(file('passwd'), passwd);
  await writeFile(file('config'), config(file, port, app));
  await mkdir('/run/sshd', { recursive: true });
  // A mount namespace of its own: the user of the benchmark is in nobody else's passwd.
  const script = 'mount --bind "$0" /etc/passwd && exec /usr/sbin/sshd -D -e -f "$1"';
  const words = ['--mount', '--propagation=private', 'sh', '-c', script, file('passwd'), file('config')];
  const child = spawn('unshare', words, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text: Buffer) => (said = `${said}${text.toString()}`.slice(-2000)));
  await until('sshd listens', async () => {
    if (child.exitCode !== null) throw new Error(`sshd ended:\n${said}`);
    return (await answers(port)) || undefined;
  });
  return {
    name: 'sshd',
    target: { address: `127.0.0.1:${port}`, user: USER, key: file('key'), hostKey: file('host-key.pub') },
    pid: child.pid ?? 0,
    stop: async () => {
      const ended = once(child, 'exit');
      child.kill();
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

const config = (file: (name: string) => string, port: number, app?: App): string =>
  [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${file('host-key')}`,
    `AuthorizedKeysFile ${file('authorized_keys')}`,
    ...(app === undefined ? [] : [`ChrootDirectory /proc/${app.pid}/root`]),
    'PidFile none',
    'PermitRootLogin yes',
    // The keys lie in a folder for temporary files, which others may write to.
    'StrictModes no',
    'UsePAM no',
    'PrintMotd no',
    'PrintLastLog no',
    'MaxStartups 100',
    'LogLevel ERROR',
    '',
  ].join('\n');

export const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const settle = (answered: boolean) => () => {
      socket.destroy();
      resolve(answered);
    };
    socket.once('connect', settle(true)).once('error', settle(false));
  });
