/** Agent and X11 forwarding, with the real helper and OpenSSH's and X's own programs in the session. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { DEFAULT_POLICIES } from '../../crds/session-policy.ts';
import { Writer } from '../../lib/ssh/wire.ts';
import { buildEnter } from '../enter/testing/build-enter.ts';
import { bothRoles, type SidecarFixture, startSidecar } from '../testing/sidecar-fixture.ts';
import { limitedAssertion, rootAssertion, type TestSession, type UserClient } from '../testing/user-client.ts';
import { joinSocket } from './forwards.ts';

const run = promisify(execFile);
const open = { ...DEFAULT_POLICIES.root, agentForwarding: true, x11Forwarding: true };
const COOKIE = '00112233445566778899aabbccddeeff';
let sidecar: SidecarFixture;
let folder: string;
let agentPath: string;

beforeAll(async () => {
  const limited = { ...open, maxSessions: 2 };
  const ceiling = { ...bothRoles, roles: { root: open, limited } };
  sidecar = await startSidecar({ enterPath: await buildEnter(), busyboxPath: '/bin/busybox' }, { ceiling });
  folder = await mkdtemp(join(tmpdir(), 'resources-'));
}, 120_000);
afterAll(async () => {
  await sidecar.close();
  await rm(folder, { recursive: true });
});

async function login(assertion = { ...rootAssertion, policy: open }): Promise<UserClient> {
  const client = sidecar.connect();
  await client.authenticated;
  expect(await client.assert(assertion)).toBe(true);
  onTestFinished(() => client.close().then(() => undefined));
  return client;
}

const text = (value: string) => new Writer().string(value).bytes();

async function start(client: UserClient, command: string, ...requests: [string, Uint8Array][]): Promise<TestSession> {
  const session = await client.session();
  // At once, as OpenSSH does: the program waits for what was asked for before it.
  const answers = [...requests, ['exec', text(command)] as const].map(([type, fields]) =>
    session.request(type, fields),
  );
  expect(await Promise.all(answers)).toEqual(answers.map(() => true));
  return session;
}

const agentRequest: [string, Uint8Array] = ['auth-agent-req@openssh.com', Buffer.alloc(0)];
const x11Request = (options: { single?: boolean; protocol?: string; cookie?: string; screen?: number } = {}) => {
  const { single = false, protocol = 'MIT-MAGIC-COOKIE-1', cookie = COOKIE, screen = 0 } = options;
  const fields = new Writer().boolean(single).string(protocol).string(cookie).uint32(screen);
  return ['x11-req', fields.bytes()] satisfies [string, Uint8Array];
};

/** OpenSSH's own agent, with one key in it; answers the key's fingerprint. */
async function startAgent(): Promise<string> {
  agentPath = join(folder, 'agent');
  const agent = spawn('ssh-agent', ['-D', '-a', agentPath], { stdio: 'ignore' });
  onTestFinished(async () => {
    agent.kill();
    await once(agent, 'exit');
  });
  await vi.waitFor(() => expect(existsSync(agentPath)).toBe(true));
  const key = join(folder, 'key');
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'in the agent', '-f', key]);
  await run('ssh-add', ['-q', key], { env: { ...process.env, SSH_AUTH_SOCK: agentPath } });
  const { stdout } = await run('ssh-keygen', ['-l', '-f', key]);
  return stdout;
}

test("OpenSSH's ssh-add finds the client's agent, and only the session's user does", async () => {
  const fingerprint = await startAgent();
  const client = await login();
  const opened: string[] = [];
  client.onChannelOpen = (opening) => {
    opened.push(opening.type);
    opening.accept((channel) => joinSocket(net.connect({ path: agentPath, allowHalfOpen: true }), channel));
  };
  const session = await start(client, 'echo "$SSH_AUTH_SOCK"; ssh-add -l; ssh-add -l; read x', agentRequest);
  await session.until(`${fingerprint}${fingerprint}`);
  const path = session.result.stdout.split('\n')[0] ?? '';
  expect(opened).toEqual(['auth-agent@openssh.com', 'auth-agent@openssh.com']);
  const limited = { ...limitedAssertion, policy: { ...open, maxSessions: 2 } };
  const stranger = await (await login(limited)).exec(`SSH_AUTH_SOCK=${path} ssh-add -l; ls ${dirname(path)}`);
  expect(stranger).toMatchObject({ stdout: '' });
  expect(stranger.stderr).toMatch(/Permission denied/);
  session.open.eof();
  await session.done;
  await vi.waitFor(() => expect(existsSync(dirname(path))).toBe(false));
}, 20_000);

test('each session has an agent of its own, or none', async () => {
  const client = await login();
  const command = 'echo "[$SSH_AUTH_SOCK]"; read x';
  const [one, two, without] = await Promise.all([
    start(client, command, agentRequest),
    start(client, command, agentRequest),
    start(client, command),
  ]);
  await Promise.all([one, two, without].map((session) => session.until(']')));
  expect(without.result.stdout).toBe('[]\n');
  expect(one.result.stdout).toMatch(/^\[\/.*agent\]\n$/);
  expect(one.result.stdout).not.toBe(two.result.stdout);
  expect(await one.request(...agentRequest)).toBe(false);
});

/** An X server that lets nobody in, and keeps what it is shown. */
function xServer(): { path: string; shown: string[] } {
  const path = join(folder, `x-${performance.now()}`);
  const shown: string[] = [];
  const server = net.createServer((socket) => {
    socket
      .on('error', () => undefined)
      .once('data', (setup: Buffer) => {
        shown.push(setup.toString('latin1'));
        // Failed, a reason of 4 bytes, protocol 11.0, one more unit of 4 bytes.
        socket.end(Buffer.from('\0\u0004\u000b\0\0\0\u0001\0none', 'latin1'));
      });
  });
  server.listen(path);
  onTestFinished(() => void server.close());
  return { path, shown };
}

test("X's own library finds the display and shows the client's cookie", async () => {
  const client = await login();
  const display = xServer();
  client.onChannelOpen = (opening) => {
    expect([opening.type, opening.fields.utf8()]).toEqual(['x11', '127.0.0.1']);
    opening.accept((channel) => joinSocket(net.connect(display.path), channel));
  };
  const command =
    'echo "$DISPLAY $XAUTHORITY"; xauth -q generate "$DISPLAY" . 2>/dev/null; ls -l "$XAUTHORITY"; read x';
  const session = await start(client, command, x11Request({ screen: 2 }));
  await session.until('-rw-------');
  expect(session.result.stdout).toMatch(/^localhost:\d+\.2 \/.*xauthority\n/);
  expect(display.shown.length).toBeGreaterThan(0);
  expect(display.shown[0]).toContain('MIT-MAGIC-COOKIE-1');
  expect(display.shown[0]).toContain(Buffer.from(COOKIE, 'hex').toString('latin1'));
  const [, number, path = ''] = /^localhost:(\d+)\.2 (.*)\n/.exec(session.result.stdout) ?? [];
  session.open.eof();
  await session.done;
  await vi.waitFor(() => expect(existsSync(dirname(path))).toBe(false));
  const late = net.connect(6000 + Number(number), '127.0.0.1');
  expect(await once(late, 'error')).toMatchObject([{ code: 'ECONNREFUSED' }]);
}, 20_000);

test('a display for a single connection serves one, and displays do not collide', async () => {
  const client = await login();
  const opened: string[] = [];
  client.onChannelOpen = (opening) => {
    opened.push(opening.type);
    opening.refuse(1, 'no');
  };
  const single = await start(client, 'echo "$DISPLAY"; read x', x11Request({ single: true }));
  const other = await start(client, 'echo "$DISPLAY"; read x', x11Request());
  await Promise.all([single.until('\n'), other.until('\n')]);
  expect(single.result.stdout).not.toBe(other.result.stdout);
  const port = 6000 + Number(/:(\d+)\./.exec(single.result.stdout)?.[1]);
  for (let count = 0; count < 2; count++) {
    const socket = net.connect(port, '127.0.0.1').resume();
    await once(socket, 'close');
  }
  expect(opened).toEqual(['x11']);
}, 20_000);

test('what is not allowed is refused, and the session goes on without it', async () => {
  const client = await login({ ...rootAssertion, policy: DEFAULT_POLICIES.root });
  const session = await client.session();
  expect([await session.request(...agentRequest), await session.request(...x11Request())]).toEqual([false, false]);
  await session.request('exec', text('echo "[$SSH_AUTH_SOCK$DISPLAY$XAUTHORITY]"'));
  expect((await session.done).stdout).toBe('[]\n');
});

test('x11-req with what no X server takes is refused', async () => {
  const client = await login();
  const session = await client.session();
  const nonsense = [
    x11Request({ protocol: 'MIT MAGIC' }),
    x11Request({ protocol: 'x'.repeat(65) }),
    x11Request({ cookie: '' }),
    x11Request({ cookie: '0' }),
    x11Request({ cookie: 'xy' }),
    x11Request({ cookie: '00'.repeat(129) }),
    x11Request({ screen: 256 }),
  ];
  for (const request of nonsense) {
    const other = await client.session();
    expect(await other.request(...request)).toBe(false);
    other.open.close();
    await other.done;
  }
  expect(await session.request(...x11Request({ cookie: 'AB'.repeat(128), screen: 255 }))).toBe(true);
}, 20_000);

test('what cannot be made is refused, and the session goes on without it', async () => {
  const helper = { enterPath: join(folder, 'enter'), busyboxPath: '/bin/busybox' };
  const enter = await buildEnter();
  // A helper of a pod in which no directory can be written.
  const script = `#!/bin/sh\ncase $1 in run|inspect) exec ${enter} "$@";; esac\necho 'sshaccess: no room' >&2; exit 126\n`;
  await writeFile(helper.enterPath, script, { mode: 0o755 });
  const other = await startSidecar(helper, { ceiling: { ...bothRoles, roles: { root: open } } });
  onTestFinished(() => other.close());
  const client = other.connect();
  await client.authenticated;
  await client.assert({ ...rootAssertion, policy: open });
  const session = await client.session();
  const answers = [
    session.request(...agentRequest),
    session.request(...x11Request()),
    session.request('exec', text('echo "[$SSH_AUTH_SOCK$DISPLAY]"')),
  ];
  expect(await Promise.all(answers)).toEqual([false, false, true]);
  expect((await session.done).stdout).toBe('[]\n');
}, 20_000);

test('a session that is closed while its agent is made counts until it is, so nobody piles up helpers', async () => {
  const slow = join(folder, 'slow-enter');
  const pids = join(folder, 'pids');
  await writeFile(slow, `#!/bin/sh\necho $$ >>${pids}\nexec sleep 1000\n`, { mode: 0o755 });
  const ceiling = { ...bothRoles, roles: { root: { ...open, maxSessions: 2 } } };
  const other = await startSidecar({ enterPath: slow, busyboxPath: '/bin/busybox' }, { ceiling });
  const client = other.connect();
  await client.authenticated;
  expect(await client.assert({ ...rootAssertion, policy: { ...open, maxSessions: 2 } })).toBe(true);
  onTestFinished(async () => {
    await client.close();
    await other.close();
    const started = (await readFile(pids, 'utf8')).trim().split('\n');
    for (const pid of started) process.kill(Number(pid), 'SIGKILL');
  });
  for (let round = 0; round < 2; round++) {
    const session = await client.session();
    void session.request(...agentRequest).catch(() => undefined);
    session.open.close();
    await session.done;
  }
  await expect(client.session()).rejects.toThrow('no more than 2 sessions at once');
});
