/** OpenSSH's own client through the real piper to the real sidecar: what users do, without a cluster. */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { run } from '../support/process.ts';
import { startStack, type Stack } from './stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
}, 180_000);
afterAll(() => stack?.stop());

const MIB = 1024 * 1024;
const sha256 = (...chunks: Buffer[]): string => {
  const hash = createHash('sha256');
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
};
const records = () => stack.piperLog.filter(({ msg }) => msg === 'connection');

test('a command runs; stdout, stderr and exit status are its own', async () => {
  const { stdout, stderr, code } = await stack.ssh(stack.root, ['echo out; echo err >&2; exit 7']);
  expect({ stdout, stderr, code }).toEqual({ stdout: 'out\n', stderr: 'err\n', code: 7 });
});

test('both ends record it under the same connection id, with the address of the client', async () => {
  await stack.ssh(stack.root, ['echo recorded']);
  const audit = stack.auditLines.find((line) => line.includes('cmd=echo\\ recorded') || line.includes('echo recorded'));
  expect(audit).toContain('user=acme-hello src=127.0.0.1');
  const id = /session=([0-9a-f]{16})/.exec(audit ?? '')?.[1];
  await expect
    .poll(() => records().filter((line) => line['connection'] === id))
    .toMatchObject([
      { event: 'start', username: 'acme-hello', role: 'root', sshAccess: 'acme/hello', pod: 'hello-0' },
      { event: 'end', reason: 'client-closed', opened: ['session', 'exec'] },
    ]);
});

test('100 MiB of stdin arrive and 100 MiB of stdout come back, byte for byte', { timeout: 120_000 }, async () => {
  const blocks = Array.from({ length: 4 }, () => randomBytes(25 * MIB));
  const { stdoutSha256, stdoutBytes, stderr } = await stack.ssh(stack.root, ['cat'], {
    input: blocks,
    hashOnly: true,
    timeoutMs: 120_000,
  });
  expect(stderr).toBe('');
  expect(stdoutBytes).toBe(100 * MIB);
  expect(stdoutSha256).toBe(sha256(...blocks));
});

test('and so they do while the client changes keys every MiB', { timeout: 120_000 }, async () => {
  const block = randomBytes(32 * MIB);
  const args = ['-o', 'RekeyLimit=1M', 'cat'];
  const { stdoutSha256, stderr } = await stack.ssh(stack.root, args, {
    input: [block],
    hashOnly: true,
    timeoutMs: 120_000,
  });
  expect(stderr).toBe('');
  expect(stdoutSha256).toBe(sha256(block));
});

test('a pipe whose reader has enough ends', async () => {
  const ssh = ['ssh', ...stack.options(stack.root), '-p', String(stack.port), '-l', 'acme-hello', '127.0.0.1'];
  const line = `${ssh.join(' ')} 'cat /dev/zero' | head -c 1M | wc -c`;
  const { stdout, signal } = await run(['sh', '-c', line], { timeoutMs: 15_000 });
  expect([stdout.trim(), signal]).toEqual(['1048576', null]);
});

test('a terminal is a terminal', async () => {
  const { stdout, code } = await stack.ssh(stack.root, ['-tt', 'tty; stty size; echo $TERM'], {
    env: { ...process.env, TERM: 'xterm-256color' },
  });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^\/dev\/pts\/\d+\s+\d+ \d+\s+xterm-256color\s+$/m);
});

test('of the environment only what the policy names arrives', async () => {
  const { stdout } = await stack.ssh(
    stack.root,
    ['-o', 'SendEnv=LC_TEST LD_PRELOAD_X NODE_OPTIONS', 'echo "[$LC_TEST][$LD_PRELOAD_X][$NODE_OPTIONS]"'],
    { env: { ...process.env, LC_TEST: 'yes', LD_PRELOAD_X: 'no', NODE_OPTIONS: '--no-warnings' } },
  );
  expect(stdout).toBe('[yes][][]\n');
});

test('sftp puts and gets a file', { timeout: 60_000 }, async () => {
  const [local, back] = [join(stack.folder, 'local'), join(stack.folder, 'back')];
  const remote = join(stack.remote, 'put');
  const content = randomBytes(20 * MIB);
  await writeFile(local, content);
  const command = ['sftp', ...stack.options(stack.root), '-P', String(stack.port), '-b', '-', 'acme-hello@127.0.0.1'];
  const { stderr, code } = await run(command, { input: `put ${local} ${remote}\nget ${remote} ${back}\n` });
  expect([stderr, code]).toEqual(['', 0]);
  expect(sha256(await readFile(back))).toBe(sha256(content));
});

test('scp, new and old, copies a file', { timeout: 60_000 }, async () => {
  const local = join(stack.folder, 'scp-local');
  const content = randomBytes(3 * MIB);
  await writeFile(local, content);
  for (const flags of [[], ['-O']]) {
    const remote = join(stack.remote, `scp${flags.join('')}`);
    const target = `acme-hello@127.0.0.1:${remote}`;
    const command = ['scp', ...stack.options(stack.root), ...flags, '-P', String(stack.port), local, target];
    const { stderr, code } = await run(command);
    expect(code, stderr).toBe(0);
    expect(sha256(await readFile(remote))).toBe(sha256(content));
  }
});

/** A web server in "the pod", and `ssh -L` to it. */
async function forward(user: 'root' | 'limited', destination: (port: number) => string): Promise<string> {
  const server = createServer((_request, response) => response.end('through the tunnel'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.number() }).parse(server.address());
  const command = ['-W', destination(port)];
  const ssh = ['ssh', ...stack.options(stack[user]), '-p', String(stack.port), '-l', stack[user].username];
  const { stdout, stderr } = await run([...ssh, ...command, '127.0.0.1'], {
    input: 'GET / HTTP/1.0\r\n\r\n',
    timeoutMs: 10_000,
  });
  server.close();
  return `${stdout}${stderr}`;
}

test('root forwards to the loopback of the pod, and nowhere else; limited does not forward', async () => {
  expect(await forward('root', (port) => `127.0.0.1:${port}`)).toContain('through the tunnel');
  expect(await forward('root', (port) => `localhost:${port}`)).toContain('through the tunnel');
  expect(await forward('root', () => '169.254.169.254:80')).toContain('stdio forwarding failed');
  expect(await forward('limited', (port) => `127.0.0.1:${port}`)).toContain('stdio forwarding failed');
});

test('-L listens, and many connections share one login', { timeout: 60_000 }, async () => {
  const server = createServer((request, response) => response.end(request.url));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.number() }).parse(server.address());
  const local = await freePort();
  const tunnel = ['-p', String(stack.port), '-l', 'acme-hello', '-N', '-L', `127.0.0.1:${local}:localhost:${port}`];
  const child = spawn('ssh', [...stack.options(stack.root, 'ExitOnForwardFailure=yes'), ...tunnel, '127.0.0.1']);
  await expect
    .poll(() => fetch(`http://127.0.0.1:${local}/up`).catch(() => undefined), { timeout: 40_000 })
    .toBeDefined();
  const answers = await Promise.all(
    Array.from({ length: 40 }, async (_, index) => (await fetch(`http://127.0.0.1:${local}/${index}`)).text()),
  );
  expect(answers).toEqual(Array.from({ length: 40 }, (_, index) => `/${index}`));
  child.kill('SIGKILL');
  await once(child, 'exit');
  server.close();
});

test('agent, X11 and -R are refused, and the session goes on', async () => {
  const { stdout, code } = await stack.ssh(
    stack.root,
    ['-A', '-X', '-R', '0:localhost:80', 'echo "[$SSH_AUTH_SOCK][$DISPLAY]"'],
    {
      env: { ...process.env, DISPLAY: ':99' },
    },
  );
  expect([stdout, code]).toEqual(['[][]\n', 0]);
});

test('ten sessions share one connection, and the eleventh is refused', { timeout: 60_000 }, async () => {
  const control = `ControlPath=${join(stack.folder, 'control')}`;
  const where = ['-p', String(stack.port), '-l', 'acme-hello', '-N', '127.0.0.1'];
  const master = spawn('ssh', [...stack.options(stack.root, control, 'ControlMaster=yes'), ...where]);
  // Refused a session, the client would log in anew: with this it cannot.
  const only = ['-o', control, '-o', 'ProxyCommand=false'];
  const mux = (command: string) => stack.ssh(stack.root, [...only, command], { timeoutMs: 20_000 });
  await expect.poll(async () => (await mux('true')).code, { timeout: 10_000 }).toBe(0);
  const sessions = Array.from({ length: 10 }, (_, index) => mux(`echo ${index}; sleep 3`));
  await delay(1_500);
  expect(await mux('echo too many')).toMatchObject({ code: 255, stdout: '' });
  const outputs = await Promise.all(sessions.map(async (session) => (await session).stdout.trim()));
  expect(outputs.toSorted()).toEqual(Array.from({ length: 10 }, (_, index) => String(index)));
  master.kill('SIGKILL');
  await once(master, 'exit');
});

test('keepalives of the client are answered', { timeout: 20_000 }, async () => {
  const args = ['-o', 'ServerAliveInterval=1', '-o', 'ServerAliveCountMax=1', 'sleep 4; echo alive'];
  expect((await stack.ssh(stack.root, args)).stdout).toBe('alive\n');
});

test('a user whose key is gone is cut off within a second, and told why', { timeout: 30_000 }, async () => {
  const session = stack.ssh(stack.limited, ['-o', 'LogLevel=INFO', 'echo started; sleep 60']);
  await expect.poll(() => records().findLast(({ event }) => event === 'start')?.['username']).toBe('acme-hello-dev');
  const since = performance.now();
  await stack.setRoute({ users: stack.route.users.slice(0, 1) });
  const { stderr, code } = await session;
  expect(performance.now() - since).toBeLessThan(1_500);
  expect(code).toBe(255);
  expect(stderr).toMatch(/access was revoked.*\[revoked, connection [0-9a-f]{16}\]/);
  await stack.setRoute({});
});

test('a refusal explains itself', async () => {
  await stack.setRoute({ enabled: false });
  await expect
    .poll(async () => (await stack.ssh(stack.root, ['-o', 'LogLevel=INFO', 'true'])).stderr)
    .toMatch(/switched off.*\[disabled/);
  await stack.setRoute({});
});

test('SIGHUP touches no session, and others come in', { timeout: 30_000 }, async () => {
  await expect.poll(async () => (await stack.ssh(stack.root, ['true'])).code, { timeout: 5_000 }).toBe(0);
  const mark = join(stack.folder, 'hung-up');
  const session = stack.ssh(stack.root, [`echo a; while [ ! -e ${mark} ]; do sleep 0.1; done; echo b`]);
  await expect.poll(() => stack.auditLines.at(-1)).toContain('hung-up');
  stack.piper.kill('SIGHUP');
  await expect.poll(() => stack.piperLog.some(({ msg }) => msg.startsWith('SIGHUP'))).toBe(true);
  expect((await stack.ssh(stack.root, ['true'])).code).toBe(0);
  await writeFile(mark, '');
  expect((await session).stdout).toBe('a\nb\n');
});

test('SIGTERM lets a running session end', { timeout: 30_000 }, async () => {
  await expect.poll(async () => (await stack.ssh(stack.root, ['true'])).code, { timeout: 5_000 }).toBe(0);
  const session = stack.ssh(stack.root, ['echo a; sleep 2; echo b']);
  await expect.poll(() => stack.auditLines.at(-1)).toContain('sleep');
  stack.piper.kill('SIGTERM');
  await expect.poll(async () => (await stack.ssh(stack.root, ['true'])).code).toBe(255);
  const exited = once(stack.piper, 'exit');
  expect((await session).stdout).toBe('a\nb\n');
  expect((await exited)[0]).toBe(0);
});
