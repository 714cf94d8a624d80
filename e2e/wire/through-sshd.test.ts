/** OpenSSH's own client through the real piper to OpenSSH's own sshd: what users of a main_container do, without a cluster. */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { DEFAULT_POLICIES, SETUP_MARK } from '../../crds/index.ts';
import { MSG } from '../../lib/ssh/numbers.ts';
import { Writer } from '../../lib/ssh/wire.ts';
import { channelRequest } from '../../piper/testing/messages.ts';
import { freePort } from '../support/free-port.ts';
import { run } from '../support/process.ts';
import { says } from './probes.ts';
import { APP, sshdPod } from './sshd-pod.ts';
import { startStack, type Stack } from './stack.ts';
import { connectRaw, exec, messageOf, openSession } from './ways.ts';

const MIB = 1024 * 1024;
const sha256 = (...chunks: Buffer[]): string => {
  const hash = createHash('sha256');
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
};

/** What a web server answers there, after `hello`; nothing where there is none yet. */
async function answer(where: net.NetConnectOpts, hello: Uint8Array = Buffer.alloc(0)): Promise<string> {
  const socket = net.connect(where).setTimeout(5_000, () => socket.destroy());
  socket.write(Buffer.concat([hello, Buffer.from('GET / HTTP/1.0\r\n\r\n')]));
  return buffer(socket).then(String, () => '');
}

const STRICT = ['-o', 'ExitOnForwardFailure=yes', '-o', 'StreamLocalBindUnlink=yes'];

/** A tunnel that listens at `socket` and at a port; another test may take a free port before ssh does. */
async function listening(socket: string, command: (port: number) => string[]) {
  for (let tries = 0; tries < 5; tries++) {
    const socks = await freePort();
    const tunnel = spawn('ssh', command(socks), { stdio: 'ignore' });
    await expect.poll(() => existsSync(socket) || tunnel.exitCode !== null, { timeout: 30_000 }).toBe(true);
    if (tunnel.exitCode === null) return { tunnel, socks };
  }
  throw new Error('ssh found no free port');
}

describe.each(['app', 'root'] as const)('sshd runs as %s', { timeout: 60_000 }, (as) => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({}, DEFAULT_POLICIES, sshdPod({ as }));
  }, 180_000);
  afterAll(() => stack?.stop());

  const records = () => stack.piperLog.filter(({ msg }) => msg === 'connection');
  const command = (user: 'root' | 'limited', ...more: string[]): string[] => [
    ...stack.options(stack[user]),
    '-p',
    String(stack.port),
    '-l',
    stack[user].username,
    ...more,
    '127.0.0.1',
  ];
  const copy = (program: string, ...args: string[]) =>
    run([program, ...stack.options(stack.root), '-P', String(stack.port), ...args]);

  test('a command runs; stdout, stderr and exit status are its own, and everybody is one uid', async () => {
    for (const user of [stack.root, stack.limited]) {
      const { stdout, stderr, code } = await stack.ssh(user, ['id -u; echo err >&2; exit 7']);
      expect({ stdout, stderr, code }).toEqual({ stdout: `${APP.uid}\n`, stderr: 'err\n', code: 7 });
    }
  });

  test('a session knows whose it is, and nobody says it for themselves', async () => {
    const env = { ...process.env, SSHACCESS_ROLE: 'root', SSHACCESS_USER: 'mallory', SSHACCESS_X: 'x', LC_TEST: 'yes' };
    const asked = ['-o', 'SendEnv=SSHACCESS_* LC_TEST', 'echo "$USER $SSHACCESS_ROLE [$SSHACCESS_X] $LC_TEST"'];
    const { stdout } = await stack.ssh(stack.limited, asked, { env });
    expect(stdout).toBe('acme-hello-dev limited [] yes\n');
  });

  test('both ends record it under the same id, with the address of the client and what served', async () => {
    // Another address of the client than the piper's own, which is all that sshd sees.
    await stack.ssh(stack.root, ['-b', '127.0.0.7', 'echo recorded']);
    const audit = () => stack.auditLines.find((line) => line.includes('cmd=echo\\ recorded')) ?? '';
    await expect.poll(audit).toContain('user=acme-hello src=127.0.0.7 ');
    const id = /session=([0-9a-f]{16})/.exec(audit())?.[1];
    await expect
      .poll(() => records().filter((line) => line['connection'] === id))
      .toMatchObject([
        { event: 'start', role: 'root', runtime: 'main_container', software: expect.stringContaining(SETUP_MARK) },
        { event: 'end', reason: 'client-closed', opened: ['session', 'exec'] },
      ]);
  });

  test('an exit signal is the one of the program', async () => {
    const { stderr, code } = await stack.ssh(stack.root, ['-v', 'kill -SEGV $$']);
    expect([code, stderr]).toEqual([255, expect.stringMatching(/rtype exit-signal/)]);
  });

  test('a terminal is a terminal, and learns of its size and of a break', async () => {
    const { stdout, code } = await stack.ssh(stack.root, ['-tt', 'tty; echo $TERM'], {
      env: { ...process.env, TERM: 'xterm-256color' },
    });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\/dev\/pts\/\d+\s+xterm-256color\s+$/m);
    const client = await connectRaw(stack, 'through the piper', 'root');
    const channel = await openSession(client);
    const size = (columns: number) => new Writer().uint32(columns).uint32(24).uint32(0).uint32(0);
    client.send(
      channelRequest(channel, 'pty-req', true, new Writer().string('xterm').raw(size(80).bytes()).string('\0').bytes()),
    );
    await messageOf(client, MSG.CHANNEL_SUCCESS);
    exec(client, channel, "trap 'stty size' WINCH; echo waiting; while :; do sleep 0.1; done");
    await says(client, 'waiting');
    client.send(channelRequest(channel, 'window-change', false, size(132).bytes()));
    await says(client, '24 132');
    client.send(channelRequest(channel, 'break', true, new Writer().uint32(0).bytes()));
    await messageOf(client, MSG.CHANNEL_SUCCESS);
    client.close();
  });

  test('a pipe whose reader has enough ends', async () => {
    const line = `${['ssh', ...command('root')].join(' ')} 'cat /dev/zero' | head -c 1M | wc -c`;
    const { stdout, signal } = await run(['sh', '-c', line], { timeoutMs: 30_000 });
    expect([stdout.trim(), signal]).toEqual(['1048576', null]);
  });

  test('sftp, scp, new and old, and rsync copy a file, and it comes back', async () => {
    const [local, back] = [join(stack.folder, 'local'), join(stack.folder, 'back')];
    const content = randomBytes(3 * MIB);
    await writeFile(local, content);
    const remote = (name: string) => join(stack.remote, name);
    const where = (name: string) => `acme-hello@127.0.0.1:${remote(name)}`;
    const batch = { input: `put ${local} ${remote('sftp')}\nget ${remote('sftp')} ${back}\n` };
    const sftp = ['sftp', ...stack.options(stack.root), '-P', String(stack.port), '-b', '-', 'acme-hello@127.0.0.1'];
    expect(await run(sftp, batch)).toMatchObject({ code: 0, stderr: '' });
    expect(await copy('scp', local, where('scp'))).toMatchObject({ code: 0 });
    expect(await copy('scp', '-O', local, where('scp-O'))).toMatchObject({ code: 0 });
    const rsh = ['ssh', ...stack.options(stack.root), '-p', String(stack.port)].join(' ');
    expect(await run(['rsync', '-e', rsh, local, where('rsync')])).toMatchObject({ code: 0 });
    for (const path of [back, ...['sftp', 'scp', 'scp-O', 'rsync'].map(remote)])
      expect(sha256(await readFile(path))).toBe(sha256(content));
  });

  test('who may only read by sftp does not write by it', async () => {
    await writeFile(join(stack.remote, 'readable'), 'content');
    const batch = (text: string) =>
      run(['sftp', ...stack.options(stack.limited), '-P', String(stack.port), '-b', '-', 'acme-hello-dev@127.0.0.1'], {
        input: text,
      });
    const target = join(stack.folder, 'got');
    expect(await batch(`get ${join(stack.remote, 'readable')} ${target}\n`)).toMatchObject({ code: 0 });
    expect(await readFile(target, 'utf8')).toBe('content');
    const refused = await batch(`put ${target} ${join(stack.remote, 'written')}\n`);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(/permission denied/i);
  });

  test('sftp that is to be confined is refused, and says why', async () => {
    const users = stack.route.users.map((user) => ({
      ...user,
      policy: { ...user.policy, sftp: { access: 'read-write' as const, paths: ['/data'] } },
    }));
    await stack.setRoute({ users });
    const sftp = () => copy('sftp', '-b', '/dev/null', 'acme-hello@127.0.0.1');
    await expect.poll(async () => (await sftp()).stderr, { timeout: 20_000 }).toMatch(/sftp\.paths/);
    expect((await sftp()).code).not.toBe(0);
    await stack.setRoute({});
    await expect.poll(async () => (await sftp()).code, { timeout: 20_000 }).toBe(0);
  });

  test('-L, -D and -W lead to the loopback of the pod, and nowhere else', async () => {
    const server = createServer((_request, response) => response.end('through the tunnel'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = z.object({ port: z.number() }).parse(server.address());
    const get = { input: 'GET / HTTP/1.0\r\n\r\n', timeoutMs: 30_000 };
    const through = (destination: string) => run(['ssh', ...command('root', '-W', destination)], get);
    expect((await through(`localhost:${port}`)).stdout).toContain('through the tunnel');
    for (const elsewhere of ['169.254.169.254:80', `127.0.0.1:${stack.podPort}`, `[::ffff:127.0.0.1]:${port}`])
      expect((await through(elsewhere)).stderr).toContain('stdio forwarding failed');
    const local = join(stack.folder, 'forwarded');
    const { tunnel, socks } = await listening(local, (free) =>
      // -D first: who listens at the socket listens at the port.
      command('root', '-N', ...STRICT, '-D', `127.0.0.1:${free}`, '-L', `${local}:127.0.0.1:${port}`),
    );
    await expect.poll(() => answer({ path: local }), { timeout: 20_000 }).toContain('through the tunnel');
    // RFC 1928: no authentication; CONNECT to 127.0.0.1.
    const hello = Buffer.from([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 0xff]);
    await expect
      .poll(() => answer({ host: '127.0.0.1', port: socks }, hello), { timeout: 20_000 })
      .toContain('through');
    // Not SIGTERM: OpenSSH 9.2 misses it where it comes just before it begins to wait.
    tunnel.kill('SIGKILL');
    await once(tunnel, 'exit');
    server.close();
  });

  test('ten sessions share one connection, and the eleventh is refused', async () => {
    const control = `ControlPath=${join(stack.folder, 'control')}`;
    const master = spawn('ssh', ['-o', control, '-o', 'ControlMaster=yes', ...command('root', '-N')]);
    // Refused a session, the client would log in anew: with this it cannot.
    const mux = (text: string) => stack.ssh(stack.root, ['-o', control, '-o', 'ProxyCommand=false', text]);
    await expect.poll(async () => (await mux('true')).code, { timeout: 20_000 }).toBe(0);
    const go = join(stack.remote, 'go');
    const begun = (index: number) => join(stack.remote, `begun-${index}`);
    const sessions = Array.from({ length: 10 }, (_, index) =>
      mux(`touch ${begun(index)}; until [ -e ${go} ]; do sleep 0.1; done; echo ${index}`),
    );
    await Promise.all(
      sessions.map((_, index) =>
        expect.poll(() => readFile(begun(index), 'utf8').catch(() => 'not yet'), { timeout: 20_000 }).toBe(''),
      ),
    );
    expect(await mux('echo too many')).toMatchObject({ code: 255, stdout: '' });
    await writeFile(go, '');
    const outputs = await Promise.all(sessions.map(async (session) => (await session).stdout.trim()));
    expect(outputs.toSorted()).toEqual(Array.from({ length: 10 }, (_, index) => String(index)));
    master.kill('SIGKILL');
    await once(master, 'exit');
  });

  test("the client learns none of the pod's host keys", async () => {
    const known = join(stack.folder, 'known_hosts');
    const before = await readFile(known, 'utf8');
    const { stderr, code } = await stack.ssh(stack.root, ['-v', '-o', 'UpdateHostKeys=yes', 'true']);
    expect([code, await readFile(known, 'utf8')]).toEqual([0, before]);
    // Of the gateway's own keys it hears once, and they are none that it does not know.
    const learns = /rtype hostkeys-00@openssh\.com/g;
    expect(stderr.match(learns)).toHaveLength(1);
    expect(stderr).not.toMatch(/learned new hostkey|bad signature/i);
    // It would, had it come to the pod itself.
    const key = join(stack.folder, 'mapping-key');
    await writeFile(key, stack.keys.mapping.toOpenSsh(), { mode: 0o600 });
    const itself = ['-v', '-F', 'none', '-i', key, '-p', String(stack.podPort), `${APP.name}@127.0.0.1`, 'true'];
    const settings = ['BatchMode=yes', `UserKnownHostsFile=${key}.known`, 'StrictHostKeyChecking=accept-new'];
    const options = [...settings, 'UpdateHostKeys=yes'].flatMap((option) => ['-o', option]);
    expect((await run(['ssh', ...options, ...itself])).stderr).toMatch(learns);
  });

  test('keepalives of the client are answered', async () => {
    const args = ['-o', 'ServerAliveInterval=1', '-o', 'ServerAliveCountMax=2', 'sleep 4; echo alive'];
    expect((await stack.ssh(stack.root, args)).stdout).toBe('alive\n');
  });
});
