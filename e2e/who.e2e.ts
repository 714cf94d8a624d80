/** Who is there: `kubectl get`, status, Events, and the admin port of each piper. */
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { SshAccessStatus } from '../crds/index.ts';
import { demo } from './support/demo.ts';
import { eventually } from './support/eventually.ts';
import { HeldShell } from './support/held-shell.ts';
import { apply, get, kubectl, tryKubectl } from './support/kubectl.ts';
import { disposeScratch, generateKey, type Login } from './support/openssh.ts';
import { servingPipers } from './support/piper-pods.ts';
import { portForward } from './support/port-forward.ts';
import { succeed } from './support/process.ts';
import { accessManifest, createWorkload, keySecret, removeNamespace, waitUntilReady } from './support/workload.ts';

const namespace = 'e2e-who';
const [USER, DEV] = [`${namespace}-app`, `${namespace}-app-dev`];
/** Five until the piper says so; ten at most until it may be written. */
const SEEN_WITHIN_MS = 20_000;

const login: Login = { user: USER, key: '' };
let fingerprint = '';

const Status = z.object({ status: SshAccessStatus });
const Event = z.object({ reason: z.string(), note: z.string(), regarding: z.object({ name: z.string() }) });
const Sessions = z.array(z.object({ username: z.string(), pod: z.string(), role: z.string(), sessions: z.int() }));

beforeAll(async () => {
  const key = await generateKey('who');
  login.key = key.path;
  fingerprint = (await succeed(['ssh-keygen', '-l', '-f', key.path])).split(' ')[1] ?? '';
  await createWorkload({ namespace, name: 'app', script: 'sleep infinity' });
  await apply(keySecret(namespace, 'key', key.publicKey));
  const secretRef = { name: 'key' };
  await apply(accessManifest(namespace, 'app', [{ secretRef }, { suffix: 'dev', secretRef }]));
  await waitUntilReady(namespace, 'app');
});

afterAll(async () => {
  await removeNamespace(namespace);
  disposeScratch();
});

const status = async () => (await get(Status, 'sshacc', '-n', namespace, 'app')).status;
const expectSessions = (sessions: number, withinMs = SEEN_WITHIN_MS) =>
  eventually(async () => expect(await status()).toMatchObject({ activeSessions: sessions }), withinMs);

async function notes(reason: string): Promise<string[]> {
  const { items } = await get(z.object({ items: z.array(Event) }), 'events.events.k8s.io', '-n', namespace);
  return items.filter((event) => event.reason === reason && event.regarding.name === 'app').map(({ note }) => note);
}

const pipers = async (): Promise<string[]> => (await servingPipers()).map(({ metadata }) => metadata.name);

async function forwarded(pod: string, port: number): Promise<number> {
  const forward = await portForward(demo().systemNamespace, pod, port);
  onTestFinished(forward.stop);
  return forward.port;
}

/** On this very replica. */
async function openOn(piper: string): Promise<HeldShell> {
  const port = await forwarded(piper, 2222);
  const shell = await HeldShell.open(login, ['-p', String(port), '-o', 'HostName=127.0.0.1']);
  onTestFinished(() => shell.end());
  return shell;
}

test('a login is in status, by user and with its time, within 20 s, and goes away; kubectl get has a column', async () => {
  await expectSessions(0);
  const before = Math.floor(Date.now() / 1000) * 1000;
  const shell = await HeldShell.open(login);
  onTestFinished(() => shell.end());
  await expectSessions(1);
  const { users, lastLogin } = await status();
  expect(users?.map(({ username, activeSessions }) => [username, activeSessions])).toEqual([
    [USER, 1],
    [DEV, 0],
  ]);
  expect(Date.parse(lastLogin ?? '')).toBeGreaterThanOrEqual(before);
  const [header = '', row = ''] = (await kubectl('get', 'sshacc', '-n', namespace)).split('\n');
  expect(header).toMatch(/ SESSIONS +AGE$/);
  expect(row).toMatch(/ True +1 +\d+[ms]/);
  await shell.prove();
  shell.end();
  await expectSessions(0, 40_000);
  expect(await status()).toMatchObject({ lastLogin, users: [{ activeSessions: 0, lastLogin }, { activeSessions: 0 }] });
});

test('two replicas sum up, and each tells its administrator; the end of access is an Event, as logins are', async () => {
  const two = (await pipers()).slice(0, 2);
  expect(two).toHaveLength(2);
  const shells = await Promise.all(two.map((piper) => openOn(piper)));
  for (const piper of two) {
    const url = `http://127.0.0.1:${await forwarded(piper, 9090)}/sessions`;
    const all = Sessions.parse(await (await fetch(url)).json());
    const pod = expect.stringMatching(/^app-/);
    expect(all.filter(({ username }) => username === USER)).toEqual([
      { username: USER, pod, role: 'root', sessions: 1 },
    ]);
  }
  await expectSessions(2, 40_000);
  await eventually(async () => {
    const [note] = await notes('LoggedIn');
    expect(note).toMatch(/^e2e-who-app logged in with the key SHA256:\S+ \(connection [0-9a-f]{16}\)$/);
    expect(note).toContain(fingerprint);
  }, 20_000);
  await kubectl('patch', 'sshacc', '-n', namespace, 'app', '--type=merge', '-p', '{"spec":{"enabled":false}}');
  for (const shell of shells) expect(await shell.ended).toMatch(/\[(revoked|disabled), connection /);
  await expectSessions(0, 40_000);
  await eventually(async () => {
    const ended = await notes('AccessEnded');
    expect(ended).toHaveLength(2);
    expect(ended[0]).toMatch(/^e2e-who-app was sent away: .* \(connection [0-9a-f]{16}\)$/);
  }, 20_000);
});

test.each([
  ['patch', 'sessionreports.sshaccess.dev', true],
  ['delete', 'sessionreports.sshaccess.dev', false],
  ['patch', 'sshaccesses.sshaccess.dev/status', false],
  ['create', 'configmaps', false],
])('the piper may %s %s of its own namespace: %s', async (verb, resource, expected) => {
  const { systemNamespace } = demo();
  const as = `--as=system:serviceaccount:${systemNamespace}:sshaccess-piper`;
  const may = async (where: string) =>
    (await tryKubectl(['auth', 'can-i', verb, resource, '-n', where, as])).code === 0;
  expect([await may(systemNamespace), await may(namespace)]).toEqual([expected, false]);
});
