/**
 * Programs die and the API server goes away, while users are added, removed and changed: afterwards the cluster is what
 * was wished for last. A short run with every `npm test`, a long one with `npm run chaos`, which draws a seed of its own.
 */
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeRandom } from '../../lib/ssh/testing/random.ts';
import { runningTestCluster } from '../cluster/test-cluster.ts';
import type { Faults } from '../cluster/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { helmUpgrade } from '../support/helm.ts';
import { apply, kubectl } from '../support/kubectl.ts';
import { disposeScratch, generateKey, type Login, scratch, ssh } from '../support/openssh.ts';
import { servingPipers } from '../support/piper-pods.ts';
import { accessManifest, createWorkload, keySecret, removeNamespace, waitUntilReady } from '../support/workload.ts';
import { bring, compare, loginOf, type Place, tryEverybody } from './desired.ts';
import { disasters } from './disasters.ts';
import { change, type Grant, grants, holds, KEYS, newFleet } from './fleet.ts';
import { CalmSessions, ChangingSessions } from './sessions.ts';

const MINUTE = 60_000;
const short = {
  accesses: 2,
  changes: 20,
  calm: 6,
  outageMs: 0,
  operators: 1,
  disasters: ['kill -9 of the leading operator', 'the API server away, and etcd compacted meanwhile'],
};
const long: typeof short = {
  accesses: 3,
  changes: 100,
  calm: 20,
  outageMs: MINUTE,
  operators: 2,
  disasters: [
    'kill -9 of the leading operator',
    'kill -9 of a webhook',
    'kill -9 of the first piper',
    'containerd restarted',
    'the lease taken from the leader',
    'the API server away',
    'kill -9 of the second piper',
    'etcd compacted',
    'kill -9 of the leading operator',
    'the API server away, and etcd compacted meanwhile',
  ],
};
const isLong = process.env['SSHACCESS_CHAOS'] === 'long';
const plan = isLong ? long : short;
const seed = Number(process.env['SSHACCESS_SEED'] ?? (isLong ? randomInt(2 ** 31) : 7));
const LONGEST = 25 * MINUTE;

const calm = 'chaos-calm';
const place: Place & { keys: { path: string; publicKey: string }[] } = { namespace: 'chaos', keys: [] };
const calmLogin: Login = { user: `${calm}-app`, key: join(scratch, 'key-0') };

/** Where the machine is not ours to break, the cluster is somebody's. */
const { faults } = await runningTestCluster();
const calmSessions = new CalmSessions(calmLogin, plan.calm);
const changingSessions = new ChangingSessions();
let fleet = newFleet(plan.accesses);

async function operators(replicas: number): Promise<void> {
  if (plan.operators === 1) return;
  await helmUpgrade('--set', `operator.replicas=${replicas},webhook.replicas=${replicas}`);
}

beforeAll(async () => {
  await Promise.all([removeNamespace(calm), removeNamespace(place.namespace)]);
  for (let index = 0; index < KEYS; index++) place.keys.push(await generateKey(`key-${index}`));
  const script = 'exec sleep infinity';
  await Promise.all([
    operators(plan.operators),
    createWorkload({ namespace: calm, name: 'app', script, replicas: 2 }),
    ...fleet.map(({ name }) => createWorkload({ namespace: place.namespace, name, script })),
  ]);
  await apply(keySecret(calm, 'key', place.keys[0]?.publicKey ?? ''));
  const policy = { root: { maxSessions: 64 } };
  await apply(accessManifest(calm, 'app', [{ secretRef: { name: 'key' } }], { policy }));
  await Promise.all(fleet.map((access) => bring(place, access)));
  await waitUntilReady(calm, 'app');
  await kubectl('rollout', 'status', 'deployment/app', '-n', calm, '--timeout=150s');
  await eventually(async () => compare(place, fleet), 3 * MINUTE, 1000);
  await eventually(async () => expect((await ssh(calmLogin, 'true')).code).toBe(0));
}, LONGEST);

afterAll(async () => {
  calmSessions.end();
  changingSessions.end();
  await Promise.all([operators(1), removeNamespace(calm), removeNamespace(place.namespace)]);
  disposeScratch();
}, LONGEST);

/** One change after another, each tried until the API server takes it. */
async function changeOnAndOn(counts: Map<string, number>): Promise<void> {
  const random = makeRandom(seed);
  for (let number = 0; number < plan.changes; number++) {
    const changed = change(fleet, random);
    fleet = changed.fleet;
    counts.set(changed.kind, (counts.get(changed.kind) ?? 0) + 1);
    const wished = fleet.find(({ name }) => name === changed.name);
    if (wished !== undefined) await eventually(async () => bring(place, wished), 5 * MINUTE, 1000);
  }
}

const openChanging = (): Promise<void> =>
  changingSessions.open(grants(fleet), (grant) => loginOf(place, grant.name, grant));

/** One disaster after another, and after each whoever it does not concern is asked. */
async function breakOnAndOn(ours: Faults): Promise<void> {
  const known = disasters(ours, plan.outageMs);
  for (const name of plan.disasters) {
    await eventually(async () => calmSessions.fill(), 3 * MINUTE);
    await openChanging();
    const pipers = (await servingPipers()).map(({ metadata }) => metadata.name);
    const byPiper = await calmSessions.by(pipers);
    const victim = await known[name]?.();
    await calmSessions.prove(victim === undefined ? [] : byPiper.get(victim));
    console.log(`  ${name}${victim === undefined ? '' : `, with ${byPiper.get(victim)?.length} sessions`}`);
  }
}

async function chaos(ours: Faults): Promise<void> {
  const counts = new Map<string, number>();
  console.log(`chaos, seed ${seed}`);
  await Promise.all([changeOnAndOn(counts), breakOnAndOn(ours)]);

  await eventually(async () => compare(place, fleet), 5 * MINUTE, 1000);
  const isGranted = (grant: Grant): boolean => holds(fleet, grant);
  await eventually(async () => expect(changingSessions.outlaws(isGranted)).toEqual([]), 30_000);
  await calmSessions.prove();
  const tries = await tryEverybody(place, fleet);
  await compare(place, fleet);
  console.log(
    [
      `changes: ${[...counts].map(([kind, count]) => `${kind} ${count}`).join(', ')}`,
      `of ${calmSessions.opened} sessions that nothing concerned, ${calmSessions.lost} ended with their piper, and no other`,
      `of ${changingSessions.opened} sessions of users who come and go, ${changingSessions.revoked(isGranted)} had lost their grant, and none of these lives`,
      `afterwards ${tries} logins were tried, and each came to what it should`,
    ].join('\n'),
  );
}

test(
  'after all that broke, the cluster is what was wished for, nobody else was dropped, and nobody revoked is there',
  {
    timeout: LONGEST,
  },
  async () => {
    if (faults === undefined) console.log('nothing is broken: this cluster is not ours');
    else await chaos(faults);
  },
);
