/** E3: whatever OpenSSH's client does leaves its lines: in the piper's record, and in the sidecar's audit. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { DEFAULT_POLICIES } from '../../crds/index.ts';
import { RawClient } from '../../piper/testing/raw-client.ts';
import { freePort } from '../support/free-port.ts';
import { run } from '../support/process.ts';
import { startStack, type Stack, type User } from './stack.ts';

let stack: Stack;
let server: Server;
/** In "the pod". */
let port: number;
beforeAll(async () => {
  const root = { ...DEFAULT_POLICIES.root, remoteForwarding: 'loopback' } as const;
  stack = await startStack({}, { ...DEFAULT_POLICIES, root });
  server = createServer((_request, response) => response.end('here'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = z.object({ port: z.number() }).parse(server.address()).port;
  await writeFile(join(stack.folder, 'file'), 'content');
}, 180_000);
afterAll(async () => {
  server?.close();
  await stack?.stop();
});

const POLL = { timeout: 30_000 };
/** Beyond our own test, nobody hangs. */
const PATIENCE = { timeout: 120_000 };

type Way = {
  /** How a user says it. */
  name: string;
  as?: 'limited';
  act: (user: User) => Promise<unknown>;
  /** Of the piper's last line. */
  opened: readonly string[];
  refused?: readonly string[];
  /** What follows `session=…` in the sidecar's lines, in order; undefined: connect, which has nothing. */
  audit: readonly RegExp[];
};

const login = (user: User): string[] => [...stack.options(user), '-p', String(stack.port), '-l', user.username];
const copying = (user: User): string[] => [...stack.options(user), '-P', String(stack.port)];
const at = (user: User, path: string): string => `${user.username}@127.0.0.1:${join(stack.remote, path)}`;

/** A login without a program, until what it forwards has been used. */
async function tunnel(user: User, options: readonly string[], use: () => Promise<unknown>): Promise<void> {
  const words = ['-N', '-o', 'ExitOnForwardFailure=yes', ...options, '127.0.0.1'];
  const ssh: ChildProcess = spawn('ssh', [...login(user), ...words], { stdio: 'ignore' });
  const ended = once(ssh, 'exit');
  try {
    await expect.poll(() => use().catch(() => undefined), POLL).toBeDefined();
  } finally {
    ssh.kill();
    await ended;
  }
}

/** The first that a server says to these bytes; rejects where it says nothing. */
function answerOf(listener: number, bytes: Buffer | string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect(listener, '127.0.0.1', () => void socket.write(bytes));
    socket.once('data', (data) => {
      resolve(data);
      socket.destroy();
    });
    socket.once('error', reject).once('close', () => reject(new Error('it has said nothing')));
  });
}

const REQUEST = 'GET / HTTP/1.0\r\n\r\n';

const CONNECT = /^SSH_AUDIT connect \S+ \S+ \S+$/;
const exec = (command: string): RegExp => new RegExp(`^SSH_AUDIT exec .* cmd=${command}$`);
const forward = (rest: string): RegExp => new RegExp(`^SSH_AUDIT forward .* kind=${rest}$`);
const SFTP = /^SSH_AUDIT exec .* subsystem=sftp$/;

const WAYS: readonly Way[] = [
  {
    name: 'ssh -T',
    act: (user) => run(['ssh', ...login(user), '-T', '127.0.0.1'], { input: 'exit\n' }),
    opened: ['session', 'shell'],
    audit: [CONNECT],
  },
  {
    name: 'ssh host command',
    act: (user) => run(['ssh', ...login(user), '127.0.0.1', 'echo exec-way']),
    opened: ['session', 'exec'],
    audit: [CONNECT, exec(String.raw`echo\\ exec-way`)],
  },
  {
    name: 'ssh -s host sftp',
    act: (user) => run(['ssh', ...login(user), '-s', '127.0.0.1', 'sftp']),
    opened: ['session', 'subsystem:sftp'],
    audit: [CONNECT, SFTP],
  },
  {
    name: 'sftp',
    act: (user) => run(['sftp', ...copying(user), '-b', '-', `${user.username}@127.0.0.1`], { input: 'pwd\n' }),
    opened: ['session', 'subsystem:sftp'],
    audit: [CONNECT, SFTP],
  },
  {
    name: 'scp',
    act: (user) => run(['scp', ...copying(user), join(stack.folder, 'file'), at(user, 'copy')]),
    opened: ['session', 'subsystem:sftp'],
    audit: [CONNECT, SFTP],
  },
  {
    name: 'scp -O',
    act: (user) => run(['scp', '-O', ...copying(user), join(stack.folder, 'file'), at(user, 'old-copy')]),
    opened: ['session', 'exec'],
    audit: [CONNECT, exec(String.raw`scp\\ -t\\ \S+old-copy`)],
  },
  {
    name: 'ssh -W',
    act: (user) => run(['ssh', ...login(user), '-W', `127.0.0.1:${port}`, '127.0.0.1'], { input: REQUEST }),
    opened: ['direct-tcpip'],
    audit: [forward(String.raw`direct-tcpip to=127\.0\.0\.1:\d+`)],
  },
  {
    name: 'ssh -L',
    act: async (user) => {
      const local = await freePort();
      await tunnel(user, ['-L', `127.0.0.1:${local}:localhost:${port}`], () => answerOf(local, REQUEST));
    },
    opened: ['direct-tcpip'],
    audit: [forward(String.raw`direct-tcpip to=localhost:\d+`)],
  },
  {
    name: 'ssh -R',
    act: async (user) => {
      const remote = await freePort();
      await tunnel(user, ['-R', `127.0.0.1:${remote}:127.0.0.1:${port}`], () => answerOf(remote, REQUEST));
    },
    opened: ['tcpip-forward', 'forwarded-tcpip'],
    audit: [forward('tcpip-forward')],
  },
  {
    name: 'ssh -D',
    act: async (user) => {
      const local = await freePort();
      // SOCKS4: connect to 127.0.0.1, as nobody.
      const socks = Buffer.from([4, 1, port >> 8, port & 0xff, 127, 0, 0, 1, 0]);
      await tunnel(user, ['-D', `127.0.0.1:${local}`], () => answerOf(local, socks));
    },
    opened: ['direct-tcpip'],
    audit: [forward(String.raw`direct-tcpip to=127\.0\.0\.1:\d+`)],
  },
  {
    name: 'ssh -W, refused',
    as: 'limited',
    act: (user) => run(['ssh', ...login(user), '-W', `127.0.0.1:${port}`, '127.0.0.1']),
    opened: [],
    refused: ['direct-tcpip: localForwarding'],
    audit: [],
  },
  {
    name: 'ssh -R, refused',
    as: 'limited',
    act: (user) => run(['ssh', ...login(user), '-R', '0:127.0.0.1:80', '127.0.0.1', 'true']),
    opened: ['session', 'exec'],
    refused: ['tcpip-forward: remoteForwarding'],
    audit: [CONNECT, exec('true')],
  },
  {
    name: 'another subsystem, refused',
    act: (user) => run(['ssh', ...login(user), '-s', '127.0.0.1', 'made-up\nSSH_AUDIT']),
    opened: ['session'],
    refused: [],
    audit: [],
  },
  {
    name: 'a command with a line break and a line of ours in it',
    act: (user) => run(['ssh', ...login(user), '127.0.0.1', 'true\n2026-01-01T00:00:00Z SSH_AUDIT connect user=root']),
    opened: ['session', 'exec'],
    audit: [CONNECT, /^SSH_AUDIT exec \S+ \S+ \S+ cmd=\$'true\\n2026-01-01T00:00:00Z SSH_AUDIT connect user=root'$/],
  },
];

test.each(WAYS)('E3: $name leaves a start, an end, and its audit lines', PATIENCE, async (way) => {
  const user = way.as === 'limited' ? stack.limited : stack.root;
  const records = stack.piperLog.length;
  const audited = stack.auditLines.length;
  await way.act(user);
  const lines = () => stack.piperLog.slice(records).filter(({ msg }) => msg === 'connection');
  await expect.poll(() => lines().map(({ event }) => event), POLL).toEqual(['start', 'end']);
  const [start, end] = lines();
  expect(start).toMatchObject({ username: user.username, sshAccess: 'acme/hello', pod: 'hello-0' });
  expect(end).toMatchObject({ username: user.username, connection: start?.['connection'], opened: [...way.opened] });
  if (way.refused?.length !== 0) expect(end?.['refused']).toEqual(way.refused && [...way.refused]);
  const audit = () =>
    stack.auditLines
      .slice(audited)
      .filter((line) => line.includes(`session=${String(start?.['connection'])}`))
      .map((line) => line.replace(/^\S+ /, ''));
  await expect.poll(() => audit().length, POLL).toBe(way.audit.length);
  for (const [index, pattern] of way.audit.entries()) expect(audit()[index]).toMatch(pattern);
});

test('E3: who is not let in leaves one line, and a name cannot forge another', PATIENCE, async () => {
  const records = stack.piperLog.length;
  const audited = stack.auditLines.length;
  // OpenSSH's client would not send such a name.
  const client = new RawClient(stack.port);
  await client.ready;
  client.requestAuthentication();
  await client.received.take(POLL.timeout);
  client.authenticate('acme-hello\n{"msg":"connection","event":"start"}', stack.keys.root);
  await client.received.take(POLL.timeout);
  client.close();
  const lines = () => stack.piperLog.slice(records);
  await expect.poll(() => lines().length, POLL).toBe(1);
  expect(lines()).toMatchObject([{ msg: 'connection', event: 'refused', reason: 'authentication-failed' }]);
  expect(stack.auditLines.slice(audited)).toEqual([]);
});
