/** Sockets and files that the sidecar has in the app: made by the real helper, in a pod of namespaces. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { type AppEntrance, connectInApp, leaseInApp, listenInApp } from '../app-sockets.ts';
import { buildContainer, buildEnter } from './testing/build-enter.ts';
import { startPod } from './testing/pod.ts';
import { gone, runSession } from './testing/session.ts';

// A bound against hanging, not a measure: other tests share the machine.
vi.setConfig({ testTimeout: 120_000 });

let enter: string;
beforeAll(async () => {
  [enter] = await Promise.all([buildEnter(), buildContainer()]);
}, 300_000);

const ids = (uid: number) => ['--uid', `${uid}`, '--gid', `${uid}`, '--groups', '', '--capbnd', '0', '--no-new-privs'];

/** The toolbox: no other container, our own root. */
const toolbox = (uid: number): AppEntrance => ({ enterPath: enter, arguments: ids(uid) });

async function temporaryFolder(mode = 0o755): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sshaccess-sockets-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  chmodSync(folder, mode);
  return folder;
}

/** A pod with an app of uid 1000; the helper is started in its sidecar. */
async function podWithApp() {
  const pod = await startPod();
  onTestFinished(pod.remove);
  await pod.container({ command: ['/bin/sleep', '1000'], env: { SSHACCESS_CONTAINER: 'app' } });
  const { stdout } = await runSession(pod.enter(['inspect', 'app']));
  const [, pid = '', start = ''] = /^pid (\d+)\nstart (\d+)\n/.exec(stdout) ?? [];
  const enterPath = join(await temporaryFolder(), 'enter');
  const words = pod.enter([]).map((word) => `'${word}'`);
  await writeFile(enterPath, `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`, { mode: 0o755 });
  const as = (uid: number): AppEntrance => ({
    enterPath,
    arguments: ['--pid', pid, '--start', start, ...ids(uid)],
  });
  return { pod, as, inPod: (path: string) => join(pod.root, path) };
}

const echo = (connection: Socket) => void connection.on('error', () => undefined).pipe(connection);

async function ask(connection: Socket, question: Buffer): Promise<Buffer> {
  connection.end(question);
  return buffer(connection);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** The process, not its wrappers, that has this word among its arguments. */
async function helperWith(word: string): Promise<number> {
  for (;;) {
    for (const pid of await readdir('/proc')) {
      if (!/^\d+$/.test(pid)) continue;
      const words = contentOf(`/proc/${pid}/cmdline`).split('\0');
      if (words[1] === 'listen' && words[0]?.endsWith('/enter') && words.includes(word)) return Number(pid);
    }
  }
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // gone meanwhile
  }
}

test('a socket is in the app’s root, the session user’s alone, and both ends can half-close', async () => {
  const { as, inPod } = await podWithApp();
  const server = await listenInApp(as(1000), { path: '/srv/app/echo.sock' }, echo);
  expect(server.path).toBe('/srv/app/echo.sock');
  const { mode, uid, gid } = statSync(inPod('srv/app/echo.sock'));
  expect([mode & 0o777, uid, gid]).toEqual([0o600, 1000, 1000]);
  const question = randomBytes(3_000_000);
  expect((await ask(await connectInApp(as(1000), '/srv/app/echo.sock'), question)).equals(question)).toBe(true);
  server.close();
  await until(() => !existsSync(inPod('srv/app/echo.sock')));
});

test('who may connect and where to listen is decided by the session’s uid', async () => {
  const { as } = await podWithApp();
  const server = await listenInApp(as(1000), { path: '/tmp/app.sock' }, echo);
  onTestFinished(server.close);
  const denied = 'cannot connect to /tmp/app.sock: Permission denied';
  await expect(connectInApp(as(61_000), '/tmp/app.sock')).rejects.toThrow(denied);
  // Uid 0 in the app has no more than the app: no CAP_DAC_OVERRIDE here.
  await expect(connectInApp(as(0), '/tmp/app.sock')).rejects.toThrow(denied);
  await expect(listenInApp(as(61_000), { path: '/srv/app/x.sock' }, echo)).rejects.toThrow(
    'cannot listen at /srv/app/x.sock: Permission denied',
  );
});

test('a path is the app’s, not the sidecar’s; without an app it is ours', async () => {
  const { as } = await podWithApp();
  const path = join(await temporaryFolder(), 'sidecar.sock');
  const server = createServer(echo).listen(path);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  chmodSync(path, 0o666);
  for (const way of ['', '/proc/1/root', '/proc/self/cwd/../../../..', '/../../..'])
    await expect(connectInApp(as(1000), `${way}${path}`)).rejects.toThrow(/No such file|Permission denied/);
  expect(await ask(await connectInApp(toolbox(61_000), path), Buffer.from('ours'))).toEqual(Buffer.from('ours'));
});

test('200 connections arrive, each with its own bytes', async () => {
  const server = await listenInApp(toolbox(61_000), { private: 'many' }, echo);
  onTestFinished(server.close);
  const script = `import socket,sys
all=[]
for i in range(200):
    s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(b"%d" % i); s.shutdown(socket.SHUT_WR); all.append(s)
for s in all: print(s.recv(100).decode())`;
  const client = spawn('python3', ['-c', script, server.path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const said = await buffer(client.stdout);
  expect(said.toString()).toBe(Array.from({ length: 200 }, (_, index) => `${index}\n`).join(''));
});

test('a private socket is in a directory that nobody else may enter, and both go when it is closed', async () => {
  const { as, inPod } = await podWithApp();
  const server = await listenInApp(as(61_000), { private: 'agent.1' }, echo);
  expect(server.path).toMatch(/^\/tmp\/sshaccess-[0-9a-f]{24}\/agent\.1$/);
  const directory = inPod(dirname(server.path));
  const { mode, uid } = statSync(directory);
  expect([mode & 0o7777, uid]).toEqual([0o700, 61_000]);
  await expect(connectInApp(as(1000), server.path)).rejects.toThrow('Permission denied');
  expect(await ask(await connectInApp(as(61_000), server.path), Buffer.from('key'))).toEqual(Buffer.from('key'));
  server.close();
  await until(() => !existsSync(directory));
});

test('what somebody put in the socket’s place stays', async () => {
  const folder = await temporaryFolder(0o777);
  const path = join(folder, 'x.sock');
  const server = await listenInApp(toolbox(61_000), { path }, echo);
  const helper = await helperWith(path);
  rmSync(path);
  writeFileSync(path, 'theirs');
  server.close();
  await gone(helper);
  expect(readFileSync(path, 'utf8')).toBe('theirs');
  await expect(listenInApp(toolbox(61_000), { path }, echo)).rejects.toThrow('Address already in use');
});

test('SIGTERM ends it, and it removes what it made', async () => {
  const server = await listenInApp(toolbox(61_000), { private: 'terminated' }, echo);
  process.kill(await helperWith('terminated'), 'SIGTERM');
  await until(() => !existsSync(dirname(server.path)));
});

test('the death of Node by SIGKILL ends it, and it removes what it made', async () => {
  const script = `
    import { listenInApp } from ${JSON.stringify(join(import.meta.dirname, '../app-sockets.ts'))};
    const entrance = ${JSON.stringify(toolbox(61_000))};
    console.log((await listenInApp(entrance, { private: 'orphan' }, () => undefined)).path);`;
  const node = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(node.stdout, 'data')).map(String);
  const path = `${line}`.trim();
  expect(existsSync(path)).toBe(true);
  const helper = await helperWith('orphan');
  node.kill('SIGKILL');
  await gone(helper);
  expect(existsSync(dirname(path))).toBe(false);
});

test.each([0, 1000])(
  'the helper of uid %i holds nothing of value, and nobody of its uid can look into it',
  async (uid) => {
    const { as } = await podWithApp();
    const server = await listenInApp(as(uid), { private: `bare-${uid}` }, echo);
    onTestFinished(server.close);
    const helper = await helperWith(`bare-${uid}`);
    const status = contentOf(`/proc/${helper}/status`);
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb']) expect(status).toMatch(`${set}:\t0000000000000000\n`);
    expect(status).toMatch(`Uid:\t${[uid, uid, uid, uid].join('\t')}\n`);
    const held = (await readdir(`/proc/${helper}/fd`)).map((fd) => readlinkSync(`/proc/${helper}/fd/${fd}`));
    expect(held.filter((target) => !/^(socket:|pipe:|\/dev\/null$|anon_inode:\[signalfd\])/.test(target))).toEqual([]);
    // Undumpable: its entries in /proc are root's, and opening them takes what a tracer needs.
    expect(statSync(`/proc/${helper}/environ`).uid).toBe(0);
    const bare = [`--reuid=${uid}`, '--clear-groups', '--inh-caps=-all', '--bounding-set=-all'];
    const look = spawn('setpriv', [...bare, 'cat', `/proc/${helper}/environ`]);
    expect((await buffer(look.stderr)).toString()).toContain('ermission denied');
  },
);

test('a lease is a file of the session’s user alone, and goes when it is closed', async () => {
  const { as, inPod } = await podWithApp();
  const bytes = randomBytes(64 * 1024);
  const lease = await leaseInApp(as(61_000), 'Xauthority', bytes);
  expect(lease.path).toMatch(/^\/tmp\/sshaccess-[0-9a-f]{24}\/Xauthority$/);
  expect(readFileSync(inPod(lease.path)).equals(bytes)).toBe(true);
  const { mode, uid } = statSync(inPod(lease.path));
  expect([mode & 0o7777, uid]).toEqual([0o600, 61_000]);
  expect(statSync(inPod(dirname(lease.path))).mode & 0o7777).toBe(0o700);
  lease.close();
  await until(() => !existsSync(inPod(dirname(lease.path))));
  await expect(leaseInApp(as(61_000), 'x', Buffer.alloc(64 * 1024 + 1))).rejects.toThrow('at most 65536 bytes');
});

test('without a common place for temporary files it is the home; without that, nowhere', async () => {
  const { as, inPod } = await podWithApp();
  chmodSync(inPod('tmp'), 0o755);
  const home = { ...as(1000), arguments: [...as(1000).arguments, '--home', '/home/app'] };
  const lease = await leaseInApp(home, 'Xauthority', Buffer.from('x'));
  expect(lease.path).toMatch(/^\/home\/app\/sshaccess-/);
  lease.close();
  await expect(leaseInApp(as(1000), 'Xauthority', Buffer.from('x'))).rejects.toThrow(
    'no directory takes a private Xauthority: No such file or directory',
  );
});

test('a directory in which others may rename what is ours takes nothing private', async () => {
  const { as, inPod } = await podWithApp();
  // As an emptyDir is: no sticky bit.
  chmodSync(inPod('tmp'), 0o777);
  const home = { ...as(1000), arguments: [...as(1000).arguments, '--home', '/home/app'] };
  const lease = await leaseInApp(home, 'Xauthority', Buffer.from('x'));
  expect(lease.path).toMatch(/^\/home\/app\/sshaccess-/);
  lease.close();
  await expect(listenInApp(as(61_000), { private: 'agent' }, echo)).rejects.toThrow(
    'no directory takes a private agent',
  );
});

test('every refusal is a sentence and an exit code', async () => {
  const refusal = async (...words: string[]) => {
    const { code, stderr } = await runSession([enter, ...words]);
    return `${code} ${stderr}`;
  };
  expect(await refusal('connect', '--', '/no/such')).toBe(
    '126 sshaccess: cannot connect to /no/such: No such file or directory\n',
  );
  expect(await refusal('connect', '--', '/etc/passwd')).toBe(
    '126 sshaccess: cannot connect to /etc/passwd: Connection refused\n',
  );
  expect(await refusal('connect', '--pid', '4000000', '--start', '1', '--', '/x')).toBe(
    '5 sshaccess: the app has restarted\n',
  );
  for (const words of [
    ['connect', '--', ''],
    ['connect', '--', 'x'.repeat(108)],
    ['connect', '--'],
    ['listen', '--'],
  ])
    expect(await refusal(...words)).toMatch(/^2 sshaccess: .*\n$/);
  expect(await refusal('listen', '--private', '../x')).toBe('2 sshaccess: not the name of a file: ../x\n');
  expect(await refusal('listen', '--private', 'x', '--', '/x')).toMatch(/^2 /);
  await expect(connectInApp({ enterPath: '/no/helper', arguments: [] }, '/x')).rejects.toThrow('cannot be run');
});
