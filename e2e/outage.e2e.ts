/** The API server goes away, or a piper is cut off from it: who is in stays in, and what was missed is made up for. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runningTestCluster } from './cluster/test-cluster.ts';
import type { Faults } from './cluster/cluster.ts';
import { eventually } from './support/eventually.ts';
import { HeldShell } from './support/held-shell.ts';
import { apply, kubectl } from './support/kubectl.ts';
import { disposeScratch, generateKey, type Login, scratch, ssh } from './support/openssh.ts';
import { servingPipers, shellsOn } from './support/piper-pods.ts';
import { accessManifest, createWorkload, keySecret, removeNamespace, waitUntilReady } from './support/workload.ts';

const namespace = 'e2e-outage';
const MINUTE = 60_000;
const primary = { secretRef: { name: 'alice' } };
const second = { suffix: 'bob', secretRef: { name: 'bob' }, access: 'root' };
const alice: Login = { user: `${namespace}-app`, key: join(scratch, 'alice') };
const bob: Login = { user: `${namespace}-app-bob`, key: join(scratch, 'bob') };
/** So many that both replicas of the piper have some, but for once in five hundred times: then others are opened. */
const SHELLS = 10;

/** Where the API server is not ours to stop, the cluster is somebody's. */
const { faults } = await runningTestCluster();
const shells: HeldShell[] = [];

beforeAll(async () => {
  await removeNamespace(namespace);
  await createWorkload({ namespace, name: 'app', script: 'exec sleep infinity' });
  for (const name of ['alice', 'bob']) await apply(keySecret(namespace, name, (await generateKey(name)).publicKey));
  await apply(accessManifest(namespace, 'app', [primary, second]));
  await waitUntilReady(namespace, 'app');
  await kubectl('rollout', 'status', 'deployment/app', '-n', namespace, '--timeout=120s');
  await eventually(async () => expect((await ssh(alice, 'true')).code).toBe(0));
});

afterAll(async () => {
  for (const shell of shells) shell.end();
  await removeNamespace(namespace);
  disposeScratch();
});

type Divided = { victim: { name: string; address: string }; there: HeldShell[]; elsewhere: HeldShell[] };
/** Shells of a user, on both pipers, by the piper: the first is the one that suffers. */
const onBoth = (login: Login): Promise<Divided> => eventually(() => divide(login));

async function divide(login: Login): Promise<Divided> {
  const present = await servingPipers();
  const opened = await HeldShell.openAll(Array.from({ length: SHELLS }, () => login));
  shells.push(...opened);
  for (const { metadata, status } of present) {
    const there = await shellsOn(metadata.name, opened);
    const elsewhere = opened.filter((shell) => !there.includes(shell));
    const victim = { name: metadata.name, address: status.podIP ?? '' };
    if (there.length > 0 && elsewhere.length > 0) return { victim, there, elsewhere };
  }
  for (const shell of opened) shell.end();
  throw new Error('all shells go through one piper');
}

const prove = (some: readonly HeldShell[]): Promise<unknown> => Promise.all(some.map((shell) => shell.prove()));
const ended = (some: readonly HeldShell[]): Promise<string[]> => Promise.all(some.map((shell) => shell.ended));

/** Logs in so often that both pipers were asked, but for once in a thousand runs. */
async function logIns(login: Login): Promise<(number | null)[]> {
  const codes: (number | null)[] = [];
  for (let times = 0; times < SHELLS; times++) codes.push((await ssh(login, 'true')).code);
  return codes;
}

const everywhere = (code: number): number[] => Array.from({ length: SHELLS }, () => code);

async function whileItIsAway(api: Faults): Promise<void> {
  const { victim, there, elsewhere } = await onBoth(alice);
  await api.stopApiServer();
  try {
    await prove([...there, ...elsewhere]);
    expect(await logIns(alice)).toEqual(everywhere(0));

    await api.kill(victim.name);
    await ended(there);
    // The pod is still an endpoint: nobody could say that it is not ready. In its container, started anew, nobody is
    // known; before that, its port is closed.
    await eventually(async () => {
      const { code, stderr } = await ssh(alice, 'true');
      expect(`${code} ${stderr}`).toMatch(/^255 .*has not heard from the cluster yet who may come in/);
    }, 2 * MINUTE);
    await prove(elsewhere);
  } finally {
    await api.startApiServer();
  }
  await eventually(async () => expect(await logIns(alice)).toEqual(everywhere(0)), 3 * MINUTE);
  await prove(elsewhere);
}

async function cutOff(api: Faults): Promise<void> {
  const { victim, there, elsewhere } = await onBoth(bob);
  const reconnect = await api.cutOff(victim.address);
  try {
    await apply(accessManifest(namespace, 'app', [primary]));
    await ended(elsewhere);
    await prove(there);
  } finally {
    await reconnect();
  }
  for (const said of await ended(there)) expect(said).toContain('access was revoked');
  expect(await logIns(bob)).toEqual(everywhere(255));
  expect(await logIns(alice)).toEqual(everywhere(0));
}

if (faults === undefined) {
  test('this cluster is not ours to break', () => console.log('outages are tested on the native cluster only'));
} else {
  test(
    'while the API server is away, sessions stay, new logins work, and a piper that restarts asks to try again',
    { timeout: 10 * MINUTE },
    () => whileItIsAway(faults),
  );

  test(
    'a piper that was cut off during a revocation applies it when it is back; its sessions end, and no login succeeds',
    { timeout: 10 * MINUTE },
    () => cutOff(faults),
  );
}
