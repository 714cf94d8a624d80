/** A live SshAccess may change its runtime: the pods are rolled once, and what users hold stays good. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { eventually } from './support/eventually.ts';
import {
  accessOf,
  createGuests,
  type Guest,
  limitedOf,
  loggedIn,
  rootOf,
  routeOf,
  statusOf,
} from './support/guests.ts';
import { apply, get, kubectl, list } from './support/kubectl.ts';
import { disposeScratch } from './support/openssh.ts';
import { removeNamespace, waitUntilReady } from './support/workload.ts';

const guest: Guest = {
  namespace: 'mc-switch',
  name: 'app',
  image: 'contract-12',
  uid: 1000,
  mainContainer: { bootstrap: { script: 'echo bootstrapped' } },
  spec: { runtime: 'sidecar' },
};
const { namespace, name } = guest;

beforeAll(async () => {
  await removeNamespace(namespace);
  await createGuests([guest]);
  await settled('sidecar');
});
afterAll(async () => {
  await removeNamespace(namespace);
  disposeScratch();
});

/** Waits until all pods are of this runtime, and both users are in one. */
async function settled(runtime: string): Promise<void> {
  await eventually(async () => expect((await statusOf(guest)).runtime).toBe(runtime), 150_000);
  await waitUntilReady(namespace, name);
  await kubectl('rollout', 'status', `deployment/${name}`, '-n', namespace, '--timeout=120s');
  // The same known_hosts as ever: another host key of the gateway would end it.
  for (const login of [rootOf(guest), limitedOf(guest)]) await loggedIn(login, 'true');
}

const Deployment = z.object({ metadata: z.object({ annotations: z.record(z.string(), z.string()) }) });
const Named = z.object({ metadata: z.object({ name: z.string() }) });
/** How often the pods have been made anew, as two sources count it. */
async function rolls(): Promise<{ revision: number; replicaSets: number }> {
  const { metadata } = await get(Deployment, 'deployment', '-n', namespace, name);
  const replicaSets = await list(Named, 'replicasets', '-n', namespace);
  return {
    revision: Number(metadata.annotations['deployment.kubernetes.io/revision']),
    replicaSets: replicaSets.length,
  };
}

/** What must survive: who the users are, and what they may. */
async function kept() {
  const { users } = await statusOf(guest);
  const route = await routeOf(guest);
  return {
    users: users.map(({ username, fingerprints }) => ({ username, fingerprints })),
    policies: route.users.map(({ username, role, policy, authorizedKeys }) => ({
      username,
      role,
      policy,
      authorizedKeys,
    })),
  };
}

const mainContainer = () => kubectl('get', 'sshacc', '-n', namespace, name, '-o', 'jsonpath={.spec.mainContainer}');

test('sidecar → main_container → sidecar: one roll each, and nothing is lost', async () => {
  const [before, lasting, settings] = [await rolls(), await kept(), await mainContainer()];
  // In the sidecar's session, limited is a uid of its own.
  expect(await loggedIn(limitedOf(guest), 'id -u')).toMatch(/^61\d{3}\n$/);

  await apply(accessOf(guest, { runtime: 'main_container' }));
  await settled('main_container');
  expect(await rolls()).toEqual({ revision: before.revision + 1, replicaSets: before.replicaSets + 1 });
  expect(await kept()).toEqual(lasting);
  expect(await loggedIn(limitedOf(guest), 'id -u')).toBe('1000\n');

  await apply(accessOf(guest, { runtime: 'sidecar' }));
  await settled('sidecar');
  // The template may be one that there was before: then its ReplicaSet is used again.
  const after = await rolls();
  expect(after.revision).toBe(before.revision + 2);
  expect(await kept()).toEqual(lasting);
  expect(await mainContainer()).toBe(settings);
  expect(await loggedIn(limitedOf(guest), 'id -u')).toMatch(/^61\d{3}\n$/);
});
