/**
 * OpenSSH's own -R, -L to a socket, -A and -Y, where the policy allows them: through the real piper to a
 * sidecar, and to OpenSSH's own sshd.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { DEFAULT_POLICIES, type SessionPolicy } from '../../crds/index.ts';
import { freePort } from '../support/free-port.ts';
import { run } from '../support/process.ts';
import { startSidecar } from './sidecar-pod.ts';
import { sshdPod } from './sshd-pod.ts';
import { startStack, type Stack, type StartPod } from './stack.ts';

const policy: SessionPolicy = {
  ...DEFAULT_POLICIES.root,
  remoteForwarding: 'loopback',
  socketForwarding: true,
  agentForwarding: true,
  x11Forwarding: true,
};

let stack: Stack;
let greeter: net.Server;

async function setUp(startPod: StartPod): Promise<void> {
  stack = await startStack({}, { ...DEFAULT_POLICIES, root: policy }, startPod);
  // On the client's side.
  greeter = net.createServer((socket) => socket.on('error', () => undefined).end('hello from the client'));
  await new Promise<void>((resolve) => greeter.listen(join(stack.folder, 'greeter'), resolve));
  const probe = `${join(stack.remote, 'ready')}:${join(stack.folder, 'greeter')}`;
  const isAllowed = () => stack.ssh(stack.root, ['-R', probe, '-o', 'ExitOnForwardFailure=yes', 'true']);
  await vi.waitFor(async () => expect(await isAllowed()).toMatchObject({ code: 0 }), { timeout: 10_000 });
}

/** Runs ssh with these options until `work` is done. */
async function during<Result>(options: readonly string[], work: () => Promise<Result>): Promise<Result> {
  const done = join(stack.remote, `done-${performance.now()}`);
  const session = stack.ssh(stack.root, [
    ...options,
    '-o',
    'ExitOnForwardFailure=yes',
    `until [ -e ${done} ]; do sleep 0.1; done`,
  ]);
  try {
    return await work();
  } finally {
    await writeFile(done, '');
    expect(await session).toMatchObject({ code: 0 });
  }
}

/** What a server says that is (soon) there. */
async function heard(where: net.NetConnectOpts): Promise<string> {
  let text = '';
  await expect
    .poll(async () => (text = (await buffer(net.connect(where)).catch(() => Buffer.alloc(0))).toString()), {
      timeout: 10_000,
    })
    .not.toBe('');
  return text;
}

/** Why nothing is heard there. */
const problemOf = (where: net.NetConnectOpts): Promise<unknown> =>
  buffer(net.connect(where)).then(String, (error: unknown) =>
    error instanceof Error && 'code' in error ? error.code : error,
  );

describe.each([
  ['a sidecar', startSidecar],
  ['an sshd that runs as the app', sshdPod({ as: 'app' })],
  ['an sshd that runs as root', sshdPod({ as: 'root' })],
])('%s', { timeout: 60_000 }, (what, startPod) => {
  beforeAll(() => setUp(startPod), 180_000);
  afterAll(async () => {
    greeter?.close();
    await stack?.stop();
  });

  test(
    '-R: a port of the pod leads to the client, on both addresses of the loopback',
    { timeout: 30_000 },
    async () => {
      const port = await freePort();
      const both = () => Promise.all(['127.0.0.1', '::1'].map((host) => heard({ host, port })));
      const answers = await during(['-R', `${port}:${join(stack.folder, 'greeter')}`], both);
      expect(answers).toEqual(['hello from the client', 'hello from the client']);
      // The pod learns of the end of the connection a moment after the client.
      await expect.poll(() => problemOf({ host: '127.0.0.1', port }), { timeout: 5000 }).toBe('ECONNREFUSED');
    },
  );

  test('-R with a socket, and -L to one', async () => {
    const [remote, local] = [join(stack.remote, 'served'), join(stack.folder, 'local')];
    const greeting = await during(['-R', `${remote}:${join(stack.folder, 'greeter')}`], () => heard({ path: remote }));
    expect(greeting).toBe('hello from the client');
    // An sshd leaves the file where it is, unless it is told otherwise.
    if (what === 'a sidecar') await expect.poll(() => existsSync(remote), { timeout: 5000 }).toBe(false);
    const server = net.createServer((socket) => socket.on('error', () => undefined).end('hello from the app'));
    await new Promise<void>((resolve) =>
      server.listen({ path: join(stack.remote, 'of-the-app'), writableAll: true }, resolve),
    );
    const answer = await during(['-L', `${local}:${join(stack.remote, 'of-the-app')}`], () => heard({ path: local }));
    server.close();
    expect(answer).toBe('hello from the app');
  });

  test('-A: ssh-add in the session lists the keys of the client', async () => {
    const path = join(stack.folder, 'agent');
    const agent = spawn('ssh-agent', ['-D', '-a', path], { stdio: 'ignore' });
    await expect.poll(() => existsSync(path)).toBe(true);
    const env = { ...process.env, SSH_AUTH_SOCK: path };
    expect(await run(['ssh-add', '-q', stack.limited.keyFile], { env })).toMatchObject({ code: 0 });
    const { stdout } = await run(['ssh-add', '-l'], { env });
    expect(await stack.ssh(stack.root, ['-A', 'ssh-add -l'], { env })).toMatchObject({ stdout, code: 0 });
    expect((await stack.ssh(stack.root, ['-a', 'echo "[$SSH_AUTH_SOCK]"'], { env })).stdout).toBe('[]\n');
    expect((await stack.ssh(stack.limited, ['-A', 'echo "[$SSH_AUTH_SOCK]"'], { env })).stdout).toBe('[]\n');
    agent.kill();
    await once(agent, 'exit');
  });

  test('-Y: the session has a display, and a cookie by which it leads to that of the client', async () => {
    const screen = net.createServer((socket) => socket.on('error', () => undefined).end('hello from the display'));
    screen.listen(0, '127.0.0.1');
    await once(screen, 'listening');
    const { port } = z.object({ port: z.number() }).parse(screen.address());
    const env = { ...process.env, DISPLAY: `localhost:${port - X11}` };
    const [told, done] = [join(stack.remote, 'display'), join(stack.remote, 'seen')];
    const command = `(echo $DISPLAY; xauth list) >${told}.new; mv ${told}.new ${told}; until [ -e ${done} ]; do sleep 0.1; done`;
    const session = stack.ssh(stack.root, ['-Y', command], { env });
    const written = () => readFile(told, 'utf8').catch(() => '');
    await expect.poll(written, { timeout: 20_000 }).toMatch(/^localhost:\d+\.0\n(.*MIT-MAGIC-COOKIE-1 .*\n){1,2}$/);
    const [, number, cookie = ''] = /:(\d+)\.0\n.*MIT-MAGIC-COOKIE-1 +([0-9a-f]{32})/.exec(await written()) ?? [];
    const application = net.connect({ host: '127.0.0.1', port: X11 + Number(number) });
    application.write(greetingWith(cookie));
    expect(String(await buffer(application))).toBe('hello from the display');
    await writeFile(done, '');
    expect((await session).code).toBe(0);
    screen.close();
  });
});

/** Where the displays begin. */
const X11 = 6000;

/** How an application of X11 begins: little-endian, version 11, and the cookie, which OpenSSH's client exchanges. */
function greetingWith(cookie: string): Buffer {
  const name = Buffer.from('MIT-MAGIC-COOKIE-1\0\0');
  return Buffer.concat([Buffer.from([0x6c, 0, 11, 0, 0, 0, 18, 0, 16, 0, 0, 0]), name, Buffer.from(cookie, 'hex')]);
}
