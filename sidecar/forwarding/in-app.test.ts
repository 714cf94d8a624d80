/** Forwarding inside an app: a pod of real namespaces, a real sidecar server, and the helper with no more rights than in a pod. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { DEFAULT_POLICIES } from '../../crds/session-policy.ts';
import { Writer } from '../../lib/ssh/wire.ts';
import type { SidecarConfig } from '../config.ts';
import { type Pod, startPod } from '../enter/testing/pod.ts';
import { helperIn } from '../testing/helper-in-pod.ts';
import { bothRoles, type SidecarFixture, startSidecar } from '../testing/sidecar-fixture.ts';
import { rootAssertion, type TestSession, type UserClient } from '../testing/user-client.ts';
import { joinSocket } from './forwards.ts';

const run = promisify(execFile);
const open = {
  ...DEFAULT_POLICIES.root,
  remoteForwarding: 'loopback',
  socketForwarding: true,
  agentForwarding: true,
  x11Forwarding: true,
} as const;
const APP_UID = 1000;

let pod: Pod;
let folder: string;
const sidecars: SidecarFixture[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forwarding-in-app-'));
  pod = await startPod();
  await pod.container({ command: ['/bin/sleep', '1000'], env: { SSHACCESS_CONTAINER: 'app' }, uid: APP_UID });
}, 300_000);
afterAll(async () => {
  await Promise.all(sidecars.map((sidecar) => sidecar.close()));
  await pod.remove();
  await rm(folder, { recursive: true });
});

async function login(config: Partial<SidecarConfig> = {}): Promise<UserClient> {
  const helper = { enterPath: await helperIn(pod, folder), busyboxPath: '/bin/busybox' };
  const options = { container: 'app', sessionEntry: 'chroot' as const, ...config };
  const sidecar = await startSidecar(helper, { config: options, ceiling: { ...bothRoles, roles: { root: open } } });
  sidecars.push(sidecar);
  const client = sidecar.connect();
  await client.authenticated;
  expect(await client.assert({ ...rootAssertion, policy: open })).toBe(true);
  onTestFinished(() => client.close().then(() => undefined));
  return client;
}

const text = (value: string) => new Writer().string(value).bytes();

async function start(client: UserClient, request: string, fields: Uint8Array, command: string): Promise<TestSession> {
  const session = await client.session();
  expect(await session.request(request, fields)).toBe(true);
  expect(await session.request('exec', text(command))).toBe(true);
  return session;
}

/** OpenSSH's own agent with a key in it; answers what `ssh-add -l` says there. */
async function startAgent(path: string): Promise<string> {
  const agent = spawn('ssh-agent', ['-D', '-a', path], { stdio: 'ignore' });
  onTestFinished(async () => {
    agent.kill();
    await once(agent, 'exit');
  });
  await vi.waitFor(() => expect(existsSync(path)).toBe(true));
  const key = join(folder, 'key');
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  await run('ssh-add', ['-q', key], { env: { ...process.env, SSH_AUTH_SOCK: path } });
  return (await run('ssh-add', ['-l'], { env: { ...process.env, SSH_AUTH_SOCK: path } })).stdout;
}

test("the agent's socket is in the app, the user's alone, and ssh-add finds the client's keys through it", async () => {
  const local = join(folder, 'agent');
  const keys = await startAgent(local);
  const client = await login();
  client.onChannelOpen = (opening) =>
    opening.accept((channel) => joinSocket(net.connect({ path: local, allowHalfOpen: true }), channel));
  const session = await start(client, 'auth-agent-req@openssh.com', Buffer.alloc(0), 'echo $SSH_AUTH_SOCK; read x');
  await session.until('\n');
  const inApp = join(pod.root, session.result.stdout.trim());
  expect([statSync(inApp).uid, statSync(inApp).mode & 0o777]).toEqual([APP_UID, 0o600]);
  // The images of tests hold no ssh-add; the socket is the same one from here.
  const { stdout } = await run('ssh-add', ['-l'], { env: { ...process.env, SSH_AUTH_SOCK: inApp } });
  expect(stdout).toBe(keys);
  session.open.eof();
  await session.done;
  await vi.waitFor(() => expect(existsSync(inApp)).toBe(false));
}, 30_000);

test("the display's cookie is a file of the app that only the user reads", async () => {
  const client = await login();
  const fields = new Writer().boolean(false).string('MIT-MAGIC-COOKIE-1').string('00'.repeat(16)).uint32(0).bytes();
  const session = await start(client, 'x11-req', fields, 'echo $DISPLAY; ls -l $XAUTHORITY; read x');
  await session.until('xauthority');
  expect(session.result.stdout).toMatch(/^localhost:\d+\.0\n-rw------- +1 app +app .*xauthority\n/);
}, 30_000);

test("sockets of the app are reached and made with the user's rights, in the app's files", async () => {
  const path = '/srv/app/socket';
  const server = net.createServer((socket) => socket.end('from the app'));
  await new Promise<void>((resolve) => server.listen(join(pod.root, path), resolve));
  onTestFinished(() => void server.close());
  await chmod(join(pod.root, path), 0o777);
  const client = await login();
  const heard = Promise.withResolvers<string>();
  await client.connection.open(
    'direct-streamlocal@openssh.com',
    new Writer().string(path).string('').uint32(0).bytes(),
    () => ({
      onData: (data) => heard.resolve(data.toString()),
      onEof: () => undefined,
      onRequest: () => false,
      onWritable: () => undefined,
      onClose: () => undefined,
    }),
  );
  expect(await heard.promise).toBe('from the app');
  const listen = (at: string) => client.connection.request('streamlocal-forward@openssh.com', text(at));
  expect(await listen('/srv/app/forwarded')).toBe(true);
  expect(statSync(join(pod.root, '/srv/app/forwarded')).uid).toBe(APP_UID);
  expect(await listen('/root/forwarded')).toBe(false);
  expect(await listen('/etc/forwarded')).toBe(false);
}, 30_000);

test('low ports are for a session of uid 0 only', async () => {
  const [app, root] = [await login(), await login({ rootUid: 0 })];
  const listen = (client: UserClient, port: number) =>
    client.connection.request('tcpip-forward', new Writer().string('localhost').uint32(port).bytes());
  // Some may be taken on this machine, but not all.
  const ports = [1017, 1018, 1019, 1020];
  expect(await Promise.all(ports.map((port) => listen(app, port)))).toEqual(ports.map(() => false));
  expect(await Promise.all(ports.map((port) => listen(root, port)))).toContain(true);
}, 30_000);
