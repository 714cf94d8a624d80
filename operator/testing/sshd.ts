/** A real sshd of OpenSSH on loopback, as an image would run it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { openSsh, temporaryDirectory } from '../../lib/ssh/testing/openssh.ts';

/** The only account that an sshd without privileges can serve; with them, the one that is surely there. */
export const ACCOUNT = userInfo().username;

/** Of 127.0.0.0/8 Linux answers for every address: each test has one to itself, and on it every port. */
export const ownAddress = (): string => `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`;

export type SshdOptions = {
  address: string;
  port: number;
  /** Public lines that may log in. */
  authorizedKeys: readonly string[];
  hostKey?: PrivateKey;
  /** Of sshd_config. */
  lines?: readonly string[];
};

export type Sshd = { hostKey: string; stop: () => Promise<void> };

/** Listens when it returns; it ends with the test, or before. */
export async function startSshd(options: SshdOptions): Promise<Sshd> {
  const { address, port, authorizedKeys, hostKey = PrivateKey.generateEd25519(), lines = [] } = options;
  const directory = temporaryDirectory();
  const file = (name: string, text: string): string => {
    const path = join(directory.path, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  // Debian's sshd wants it, and its service makes it.
  if (userInfo().uid === 0 && !existsSync('/run/sshd')) mkdirSync('/run/sshd', { mode: 0o755 });
  const config = [
    ...lines,
    `Port ${port}`,
    `ListenAddress ${address}`,
    `HostKey ${file('host', hostKey.toOpenSsh())}`,
    `AuthorizedKeysFile ${file('authorized_keys', authorizedKeys.map((line) => `${line}\n`).join(''))}`,
    'PidFile none',
    'UsePAM no',
    'StrictModes no',
    'PermitRootLogin yes',
  ];
  const child = spawn(openSsh('sshd'), ['-D', '-e', '-f', file('sshd_config', config.join('\n'))], { stdio: 'ignore' });
  const stop = async (): Promise<void> => {
    await end(child);
    directory.remove();
  };
  onTestFinished(stop);
  while (!(await listens(address, port))) {
    if (child.exitCode !== null) throw new Error(`sshd ended with ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { hostKey: hostKey.publicKey.toLine(), stop };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

async function listens(host: string, port: number): Promise<boolean> {
  const socket = net.connect({ host, port });
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  const isThere = await promise;
  socket.destroy();
  return isThere;
}

/** Something on a port that is no sshd. */
export async function listen(address: string, onConnection: (socket: net.Socket) => void): Promise<number> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket.on('error', () => socket.destroy()));
    onConnection(socket);
  });
  server.listen(0, address);
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('no port');
  return bound.port;
}
