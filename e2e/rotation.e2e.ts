/** docs/rotation.md, command by command, on the demo: it has two pods, and two pipers. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { copyFile, readFile, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { demo } from './support/demo.ts';
import { eventually } from './support/eventually.ts';
import { freePort } from './support/free-port.ts';
import { createGuests, type Guest, loggedIn, rootOf } from './support/guests.ts';
import { apply, get, kubectl, pods } from './support/kubectl.ts';
import {
  clientOptions,
  disposeScratch,
  generateKey,
  limitedLogin,
  type Login,
  rootLogin,
  scratch,
  ssh,
} from './support/openssh.ts';
import { servingPipers } from './support/piper-pods.ts';
import { type Finished, run, succeed } from './support/process.ts';
import { accessManifest, condition, createWorkload, removeNamespace, waitUntilReady } from './support/workload.ts';

const PROMISED_MS = 5_000;
/** Real ones are minutes; what has to reach pods meanwhile is hurried, see {@link hurry}. */
const DELAYS = ['SECRET_DELAY=15', 'ROUTE_DELAY=5'];
const USUAL_DELAYS = ['SECRET_DELAY=120', 'ROUTE_DELAY=900'];
const HOST_KEYS = 'sshaccess-piper-host-keys';
const PIPERS = 'app.kubernetes.io/component=piper';

const document = readFileSync(join(import.meta.dirname, '../docs/rotation.md'), 'utf8');
const commands = [...document.matchAll(/^ *```sh\n([^]*?)^ *```$/gm)].map(([, text = '']) => text);
/** The one block of the document that has these words in it. */
function block(words: string): string {
  const found = commands.filter((text) => text.includes(words));
  if (found.length !== 1) throw new Error(`docs/rotation.md has ${found.length} blocks with ${words}`);
  return found[0] ?? '';
}

let env: NodeJS.ProcessEnv;
const shell = (script: string): Promise<string> => succeed(['sh', '-euc', `cd ${scratch}; ${script}`], { env });

const place = 'e2e-rotation';
/** Its pods know only the keys that they were started with. */
const guest: Guest = { namespace: place, name: 'sshd', image: 'contract-12', uid: 1000 };
const late: Login = { user: `${place}-late`, key: demo().rootKey };
let others: Promise<Others> | undefined;
/** The keys of the gateway change meanwhile, which is not what they are asked about. */
const CARELESS = ['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'];

let hurrying: NodeJS.Timeout | undefined;
const children: ChildProcess[] = [];
let hostKeysBefore: Record<string, string>;
let loadedBefore: readonly string[];

beforeAll(async () => {
  await symlink(demo().kubectl, join(scratch, 'kubectl'));
  const path = [scratch, dirname(process.execPath), process.env['PATH']].join(':');
  env = { ...process.env, PATH: path, KUBECONFIG: demo().kubeconfig };
  loadedBefore = await loaded();
  hostKeysBefore = (await secret(demo().systemNamespace, HOST_KEYS)).data;
  await Promise.all([setDelays(DELAYS), bringOthers()]);
  hurrying = setInterval(() => void hurry().catch(() => undefined), 2_000);
  // It takes its time, in which the demo has its turn.
  others = rotateOthers();
  others.catch(() => undefined);
});

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  const patch = JSON.stringify({ data: { 'ed25519.2027-host-key': null, ...hostKeysBefore } });
  await kubectl('patch', 'secret', '-n', demo().systemNamespace, HOST_KEYS, '--type', 'merge', '-p', patch);
  await eventually(async () => expect(await loaded()).toEqual(loadedBefore));
  clearInterval(hurrying);
  await Promise.all([setDelays(USUAL_DELAYS), removeNamespace(place)]);
  disposeScratch();
});

async function bringOthers(): Promise<void> {
  await removeNamespace(place);
  await createGuests([guest]);
  await createWorkload({ namespace: place, name: 'late', script: 'sleep infinity' });
  await apply(accessManifest(place, 'late', [{ secretRef: { name: 'root-key' } }]));
  for (const name of ['sshd', 'late']) {
    await waitUntilReady(place, name);
    await kubectl('rollout', 'status', `deployment/${name}`, '-n', place, '--timeout=120s');
  }
}

async function setDelays(delays: readonly string[]): Promise<void> {
  const where = ['-n', demo().systemNamespace];
  await kubectl('set', 'env', ...where, 'deployment/sshaccess-operator', ...delays);
  await kubectl('rollout', 'status', ...where, 'deployment/sshaccess-operator', '--timeout=120s');
}

/** A kubelet looks at the Secrets of a pod anew when the pod has changed, and otherwise about every minute. */
async function hurry(): Promise<void> {
  const note = `e2e.example.com/looked-at=${Date.now()}`;
  await kubectl('annotate', 'pods', '-n', 'acme', '-l', 'app=hello', '--overwrite', note);
  await kubectl('annotate', 'pods', '-n', place, '--all', '--overwrite', note);
  await kubectl('annotate', 'pods', '-n', demo().systemNamespace, '-l', PIPERS, '--overwrite', note);
}

const Secret = z.object({ data: z.record(z.string(), z.string()) });
const secret = (namespace: string, name: string) => get(Secret, 'secret', '-n', namespace, name);

const pipers = async (): Promise<readonly string[]> => (await servingPipers()).map(({ metadata }) => metadata.name);

/** What each piper says that its host keys are, the one that clients are shown in front. */
async function loaded(): Promise<readonly string[]> {
  const logs = await Promise.all(
    (await pipers()).map((name) => kubectl('logs', '-n', demo().systemNamespace, name, '--tail=-1')),
  );
  return logs.map((log) => /.*"hostKeys":\[([^\]]*)\]/s.exec(log)?.[1] ?? '');
}
const counts = async () => (await loaded()).map((list) => list.split(',').length);

/** Options of a client with a known_hosts of its own. */
const knows = (file: string, ...more: string[]) =>
  [`UserKnownHostsFile=${join(scratch, file)}`, ...more].flatMap((option) => ['-o', option]);

test('host keys of the gateway: clients learn the next one, and go on without a word when the first is gone', async () => {
  const root = (...options: string[]) => ssh(rootLogin(), 'true', { ssh: options });
  await eventually(async () => expect((await root(...knows('updating'))).code).toBe(0), 20_000);
  await copyFile(join(scratch, 'updating'), join(scratch, 'forgetful'));
  await shell(block('ssh-keygen -q'));
  await eventually(async () => expect(await counts()).toEqual([2, 2]));
  expect((await loaded()).map((list) => list.split(',')[0])).toEqual(loadedBefore);
  const learning = knows('updating', 'UpdateHostKeys=yes');
  await eventually(async () => {
    expect((await root(...learning)).code).toBe(0);
    expect((await readFile(join(scratch, 'updating'), 'utf8')).match(/ssh-ed25519/g)).toHaveLength(2);
  });
  expect(await shell(block('kubectl logs'))).toContain('host keys loaded');

  await shell(block('"op": "remove"'));
  await eventually(async () => expect(await counts()).toEqual([1, 1]));
  const strict = ['-o', 'StrictHostKeyChecking=yes', '-o', 'LogLevel=INFO'];
  expect(await root(...strict, ...learning)).toMatchObject({ code: 0, stderr: expect.not.stringMatching(/key|warn/i) });
  const forgetful = await root(...strict, ...knows('forgetful'));
  expect(forgetful).toMatchObject({ code: 255, stderr: expect.stringContaining('verification failed') });
});

/** A session through any piper, or by a port that leads to one; answers once its program runs. */
async function stay(login: Login, port?: number): Promise<{ ended: Promise<unknown>; alive: () => boolean }> {
  const options = [...knows('staying', 'HostKeyAlias=gateway'), ...clientOptions(login)];
  const [host, at] = port === undefined ? [demo().sshHost, demo().sshPort] : ['127.0.0.1', port];
  const child = spawn('ssh', [...options, '-p', String(at), `${login.user}@${host}`, 'echo up; sleep 1000'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  children.push(child);
  const ended = new Promise((resolve) => child.once('close', resolve));
  const up = new Promise<boolean>((resolve) => child.stdout.once('data', () => resolve(true)));
  if ((await Promise.race([up, ended])) !== true) throw new Error('the session did not start');
  return { ended, alive: () => child.exitCode === null && child.signalCode === null };
}

/** A port that leads to this pod. */
async function forward(pod: string): Promise<number> {
  const port = await freePort();
  const target = ['port-forward', '-n', demo().systemNamespace, `pod/${pod}`, `${port}:2222`];
  const child = spawn(demo().kubectl, ['--kubeconfig', demo().kubeconfig, ...target], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  children.push(child);
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return port;
}

/** Fails where it takes longer than promised. */
const inTime = (ended: Promise<unknown>): Promise<unknown> =>
  Promise.race([
    ended,
    new Promise((_resolve, reject) => setTimeout(() => reject(new Error('it goes on')), PROMISED_MS)),
  ]);

const Status = z.object({
  status: z.object({
    users: z.array(
      z.object({
        username: z.string(),
        keys: z.array(z.object({ fingerprint: z.string(), comment: z.string().optional() })),
      }),
    ),
  }),
});

test('keys of users: in effect within 5 s at each piper, for sessions too; status names each with its comment', async () => {
  const ports = await Promise.all((await pipers()).map((name) => forward(name)));
  expect(ports).toHaveLength(2);
  const { path } = await generateKey('second');
  const login = { ...limitedLogin(), key: path };
  const first = readFileSync(`${limitedLogin().key}.pub`, 'utf8').trim();
  const setKeys = (...lines: string[]): Promise<string> => {
    const patch = { stringData: { 'ssh-publickey': `${lines.join('\n')}\n` } };
    return kubectl('patch', 'secret', '-n', 'acme', 'hello-dev-key', '--type', 'merge', '-p', JSON.stringify(patch));
  };
  const keep = await stay(limitedLogin(), ports[0] ?? 0);
  await setKeys(first, readFileSync(`${path}.pub`, 'utf8').trim());
  const sessions = await Promise.all(ports.map((port) => eventually(() => stay(login, port), PROMISED_MS)));
  const { status } = await get(Status, 'sshacc', '-n', 'acme', 'hello');
  const keys = status.users.find(({ username }) => username === login.user)?.keys;
  expect(keys).toEqual([
    { fingerprint: await fingerprintOf(limitedLogin().key), comment: expect.any(String) },
    { fingerprint: await fingerprintOf(path), comment: 'second@e2e' },
  ]);
  expect(await shell(block('.status.users[*].keys').split('\n').at(-2) ?? '')).toContain('second@e2e');

  await setKeys(first);
  await Promise.all(sessions.map(({ ended }) => inTime(ended)));
  expect((await ssh(login, 'true')).code).toBe(255);
  expect(keep.alive()).toBe(true);
});

const fingerprintOf = async (key: string): Promise<string> =>
  (await succeed(['ssh-keygen', '-l', '-f', `${key}.pub`])).split(' ')[1] ?? '';

type PodKeys = { hostKey: string | undefined; mappingKeys: readonly string[] };
async function podKeys(namespace = 'acme', name = 'hello'): Promise<PodKeys> {
  const { data } = await secret(namespace, `${name}-sshaccess`);
  const text = Buffer.from(data['mapping-key.pub'] ?? '', 'base64').toString();
  return { hostKey: data['host-key'], mappingKeys: text.trim().split('\n') };
}
const uidsOfPods = async () => (await pods('acme', 'hello')).map(({ metadata }) => metadata.uid).toSorted();

/** A session that says something at its start, and something when it is told to. */
function hold(): { go: () => void; finished: Promise<Finished> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  async function* lines() {
    yield Buffer.from('before\n');
    await promise;
    yield Buffer.from('after\n');
  }
  const { user, key } = rootLogin();
  const options = ['-p', String(demo().sshPort), ...clientOptions({ user, key }), `${user}@${demo().sshHost}`];
  return { go: resolve, finished: run(['ssh', ...options, 'cat'], { input: lines(), timeoutMs: 170_000 }) };
}

test('keys between gateway and pods: both are rotated, no login fails, no session ends, nothing restarts', async () => {
  const [before, uids] = [await podKeys(), await uidsOfPods()];
  const held = hold();
  await shell(block('rotate-mapping-key'));
  await eventually(async () => expect(await condition('acme', 'hello', 'KeysRotated')).toMatch(/^False: KeysRotating/));
  const names = (await pods('acme', 'hello')).map(({ metadata }) => metadata.name);
  const failed: string[] = [];
  await eventually(async () => {
    for (const name of names) {
      const { code, stderr } = await ssh({ ...rootLogin(), user: `${rootLogin().user}--${name}` }, 'true');
      if (code !== 0) failed.push(stderr);
    }
    expect(await condition('acme', 'hello', 'KeysRotated')).toMatch(/^True: KeysRotated/);
  });
  expect(failed).toEqual([]);
  expect(await shell(block('.status.conditions'))).toMatch(/^the keys are those/);
  const after = await podKeys();
  expect(after.mappingKeys).toHaveLength(1);
  expect([after.hostKey === before.hostKey, after.mappingKeys[0] === before.mappingKeys[0]]).toEqual([false, false]);
  expect(await uidsOfPods()).toEqual(uids);
  held.go();
  expect(await held.finished).toMatchObject({ code: 0, stdout: 'before\nafter\n' });
});

/** What was seen of the rotations in {@link place}. */
type Others = { refusals: readonly string[]; keys: readonly PodKeys[]; uids: readonly string[] };

/** All at once: the keys of both; of the one, a pod is added meanwhile; the other's have to be restarted. */
async function rotateOthers(): Promise<Others> {
  const now = ['sshaccess.dev/rotate-mapping-key=1', 'sshaccess.dev/rotate-host-key=1'];
  const [keys, [before]] = [await podKeys(place, 'sshd'), await pods(place, 'sshd')];
  await kubectl('annotate', 'sshacc', '-n', place, 'sshd', 'late', ...now);
  await eventually(async () => expect(await condition(place, 'late', 'KeysRotated')).toMatch(/^False: KeysRotating/));
  const [early] = await pods(place, 'late');
  await kubectl('scale', 'deployment/late', '-n', place, '--replicas=2');
  const added = await eventually(async () => {
    const found = (await pods(place, 'late')).find(({ metadata }) => metadata.uid !== early?.metadata.uid);
    expect(found?.status.containerStatuses.map(({ ready }) => ready)).toEqual([true]);
    return found?.metadata.name ?? '';
  });
  const [ofLate, ofSshd] = await Promise.all([
    failuresUntilRotated('late', [late.user, `${late.user}--${early?.metadata.name}`, `${late.user}--${added}`]),
    failuresUntilRotated('sshd', [rootOf(guest).user]),
  ]);
  await loggedIn(rootOf(guest), 'true', CARELESS);
  const after = (await pods(place, 'sshd')).map(({ metadata }) => metadata.uid);
  return {
    refusals: [...ofLate, ...ofSshd],
    keys: [keys, await podKeys(place, 'sshd')],
    uids: [before?.metadata.uid ?? '', ...after],
  };
}

/** Tries to log in as each of them until the keys are rotated; answers what was said where a key was the reason that it failed. */
async function failuresUntilRotated(name: string, usernames: readonly string[]): Promise<readonly string[]> {
  const failures: string[] = [];
  await eventually(async () => {
    for (const user of usernames) {
      const { code, stderr } = await ssh({ ...late, user }, 'true', { ssh: CARELESS });
      // Who comes just as a pod begins or ends may be told that.
      if (code !== 0 && /host-key|mapping-key/.test(stderr)) failures.push(stderr);
    }
    expect(await condition(place, name, 'KeysRotated')).toMatch(/^True: KeysRotated/);
  });
  return failures;
}

test('a pod that starts meanwhile lets users in, and main_container is restarted for it: no key is ever the wrong one', async () => {
  const { refusals, keys, uids } = (await others) ?? expect.fail('it was not begun');
  expect(refusals).toEqual([]);
  const [before, after] = keys;
  expect(after?.mappingKeys).toHaveLength(1);
  expect([after?.hostKey === before?.hostKey, after?.mappingKeys[0] === before?.mappingKeys[0]]).toEqual([
    false,
    false,
  ]);
  expect(uids).toHaveLength(2);
  expect(new Set(uids).size).toBe(2);
});

test('a mapping key that has leaked is replaced at once: sessions end, and users come back with the next', async () => {
  const before = await podKeys();
  const session = await stay(rootLogin());
  await shell(block('kubectl delete secret'));
  await inTime(session.ended);
  await eventually(async () => expect((await ssh(rootLogin(), 'true')).code).toBe(0));
  expect((await podKeys()).mappingKeys).not.toEqual(before.mappingKeys);
});
