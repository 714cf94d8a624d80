/** What is switched off, removed or made less ends in every pod, whichever piper leads there; nothing restarts. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { demo } from './support/demo.ts';
import { eventually } from './support/eventually.ts';
import { apply, kubectl, type Pod, pods, tryKubectl } from './support/kubectl.ts';
import { disposeScratch, generateKey, type Login, ssh } from './support/openssh.ts';
import { portForward, type PortForward } from './support/port-forward.ts';
import { piperPods, servingPipers } from './support/piper-pods.ts';
import { endsWithin, type Stay, stay } from './support/stay.ts';
import { accessManifest, createWorkload, keySecret, removeNamespace, waitUntilReady } from './support/workload.ts';

const namespace = 'e2e-revocation';
const promisedMs = 5_000;
const names = ['alice', 'bob', 'carol'] as const;
type Name = (typeof names)[number];
const keys = new Map<Name, string>();
const suffixOf = (name: Name) => (name === 'alice' ? {} : { suffix: name });
const userOf = (name: Name, more: object = {}) => ({ ...suffixOf(name), secretRef: { name }, ...more });
const everybody = [userOf('alice'), userOf('bob'), userOf('carol', { access: 'root' })];

const update = (users: readonly object[] = everybody, spec: object = {}) =>
  apply(accessManifest(namespace, 'app', users, spec));

/** Greets whoever connects, and never lets go. */
const GREETER = `import socket
server = socket.create_server(("127.0.0.1", 8000))
held = []
while True:
    held.append(server.accept()[0])
    held[-1].sendall(b"hello")`;

let appPods: string[] = [];
let pipers: PortForward[] = [];

const login = (name: Name, pod?: string): Login => ({
  user: `${namespace}-app${name === 'alice' ? '' : `-${name}`}${pod === undefined ? '' : `--${pod}`}`,
  key: keys.get(name) ?? '',
});
/** Options of ssh that lead to this piper. */
const through = ({ port }: PortForward) => ['-o', 'HostName=127.0.0.1', '-p', `${port}`];
const comesIn = (name: Name) =>
  eventually(async () => expect(await ssh(login(name), 'true')).toMatchObject({ code: 0 }));

beforeAll(async () => {
  const script = `exec python3 -c '${GREETER}'`;
  await createWorkload({ namespace, name: 'app', script, replicas: 2, image: demo().workbenchImage });
  for (const name of names) {
    const { path, publicKey } = await generateKey(`revocation-${name}`);
    keys.set(name, path);
    await apply(keySecret(namespace, name, publicKey));
  }
  await update();
  await waitUntilReady(namespace, 'app');
  await kubectl('rollout', 'status', 'deployment/app', '-n', namespace, '--timeout=120s');
  appPods = await eventually(async () => {
    const found = (await pods(namespace, 'app')).map(({ metadata }) => metadata.name);
    expect(found).toHaveLength(2);
    for (const pod of found) expect(await ssh(login('alice', pod), 'true')).toMatchObject({ code: 0 });
    return found;
  });
  const serving = await eventually(async () => {
    const found = await servingPipers();
    expect(found).toHaveLength(2);
    return found;
  });
  pipers = await Promise.all(serving.map(({ metadata }) => portForward(demo().systemNamespace, metadata.name, 2222)));
});

afterAll(async () => {
  await Promise.all(pipers.map(({ stop }) => stop()));
  await removeNamespace(namespace);
  disposeScratch();
});

const identity = ({ metadata, status }: Pod): string =>
  [...status.containerStatuses, ...status.initContainerStatuses].reduce(
    (all, { name, restartCount }) => `${all} ${name}:${restartCount}`,
    metadata.uid,
  );
/** The pods, and how often their containers have started. */
const theSamePods = async () => (await pods(namespace, 'app')).map(identity).toSorted();

type Daemon = { pod: string; pid: string };

/** A daemon that a session leaves behind as it ends, in this pod. */
async function leave(name: Name, pod: string): Promise<Daemon> {
  const daemon = `setsid sh -c 'trap "" HUP TERM; echo $$ >"$FILE"; exec sleep 1000' >/dev/null 2>&1 </dev/null &`;
  // The session ends once it knows who is left.
  const script = `export FILE=$(mktemp); ${daemon} until [ -s "$FILE" ]; do sleep 0.1; done; cat "$FILE"`;
  const { stdout, stderr, code } = await ssh(login(name, pod), script);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const left = { pod, pid: stdout.trim() };
  await eventually(async () => expect(await isAlive(left)).toBe(true));
  return left;
}

/** All containers of the pod see its processes. */
async function isAlive({ pod, pid }: Daemon): Promise<boolean> {
  const { code, stdout } = await tryKubectl([
    'exec',
    '-n',
    namespace,
    pod,
    '-c',
    'app',
    '--',
    'cat',
    `/proc/${pid}/comm`,
  ]);
  return code === 0 && stdout.trim() === 'sleep';
}

/** They have a second to say goodbye, and the processes are looked at one by one. */
const gone = (daemons: readonly Daemon[], withinMs = 2 * promisedMs) =>
  eventually(async () => {
    for (const daemon of daemons) expect([daemon, await isAlive(daemon)]).toEqual([daemon, false]);
  }, withinMs);

/** A session and a forwarded connection through each piper into each pod. */
async function everywhere(name: Name): Promise<Stay[]> {
  const ways = pipers.flatMap((piper) => appPods.map((pod) => ({ pod, options: through(piper) })));
  return Promise.all(
    ways.flatMap(({ pod, options }) => [
      stay(login(name, pod), options),
      stay(login(name, pod), [...options, '-W', '127.0.0.1:8000'], []),
    ]),
  );
}

describe('the toggle', () => {
  test('ends every session and what was left behind, on all replicas, and lets in again; nothing restarts', async () => {
    const before = await theSamePods();
    const daemons = await Promise.all(appPods.flatMap((pod) => [leave('alice', pod), leave('bob', pod)]));
    const sessions = await everywhere('alice');

    await update(everybody, { enabled: false });
    const ended = await Promise.all(sessions.map((session) => endsWithin(promisedMs, session)));
    for (const said of ended) expect(said).toContain('spec.enabled is false');
    await gone(daemons);
    for (const piper of pipers) {
      const refused = await ssh(login('alice'), 'true', { ssh: ['-o', 'LogLevel=INFO', ...through(piper)] });
      expect(refused).toMatchObject({
        code: 255,
        stderr: expect.stringContaining('is switched off (spec.enabled is false)'),
      });
    }

    await update();
    await comesIn('alice');
    expect(await theSamePods()).toEqual(before);
  });
});

describe('users', () => {
  test('one who is removed while nobody is connected leaves nothing in any pod; others keep what they have', async () => {
    const before = await theSamePods();
    const [mine, theirs] = await Promise.all([
      Promise.all(appPods.map((pod) => leave('bob', pod))),
      Promise.all(appPods.map((pod) => leave('carol', pod))),
    ]);
    const session = await stay(login('carol'));
    await update([userOf('alice'), userOf('carol', { access: 'root' })]);
    await gone(mine);
    for (const daemon of theirs) expect(await isAlive(daemon)).toBe(true);
    expect(session.alive()).toBe(true);

    // root → limited ends what was root.
    await update([userOf('alice'), userOf('carol')]);
    expect(await endsWithin(promisedMs, session)).toContain('revoked');
    await gone(theirs);
    await comesIn('carol');
    expect((await ssh(login('carol'), 'id -u')).stdout).toMatch(/^61\d\d\d$/m);
    expect(await theSamePods()).toEqual(before);
  });
});

describe('the last of all: while no piper runs', () => {
  const scale = async (replicas: number): Promise<void> => {
    const piper = ['deployment/sshaccess-piper', '-n', demo().systemNamespace];
    await kubectl('scale', ...piper, `--replicas=${replicas}`);
    await kubectl('rollout', 'status', ...piper, '--timeout=120s');
    // Also those that were on their way out before.
    await eventually(async () => expect(await piperPods()).toHaveLength(replicas));
  };

  test('who is removed leaves nothing, either, as soon as one runs again; others keep what they have', async () => {
    await update();
    await comesIn('bob');
    const [mine, theirs] = await Promise.all([
      Promise.all(appPods.map((pod) => leave('bob', pod))),
      Promise.all(appPods.map((pod) => leave('alice', pod))),
    ]);
    try {
      await scale(0);
      await update([userOf('alice')]);
      const users = ['get', 'sshacc', 'app', '-n', namespace, '-o', 'jsonpath={.status.users[*].username}'];
      await eventually(async () => expect(await kubectl(...users)).toBe(`${namespace}-app`));
      for (const daemon of mine) expect(await isAlive(daemon)).toBe(true);
    } finally {
      await scale(pipers.length);
    }
    await gone(mine, 60_000);
    for (const daemon of theirs) expect(await isAlive(daemon)).toBe(true);
  });
});
