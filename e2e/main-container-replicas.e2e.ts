/** Images that make host keys of their own: each pod has another, and the gateway learns them all. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from './support/eventually.ts';
import { createGuests, type Guest, loggedIn, rootOf, routeOf } from './support/guests.ts';
import { kubectl, pods } from './support/kubectl.ts';
import { disposeScratch } from './support/openssh.ts';
import { removeNamespace, waitUntilReady } from './support/workload.ts';

const image: Guest = {
  namespace: 'mc-replicas',
  name: 'app',
  image: 'image-setup-13',
  uid: 1000,
  replicas: 2,
  mainContainer: { setup: 'Image' },
};
const unmanaged: Guest = {
  ...image,
  name: 'plain',
  image: 'plain-13',
  uid: 0,
  mainContainer: { managed: false, user: 'deploy', authorizedKeysPath: '/home/deploy/.ssh/authorized_keys' },
};
const guests = [image, unmanaged];
const { namespace } = image;

beforeAll(async () => {
  await removeNamespace(namespace);
  await createGuests(guests);
});
afterAll(async () => {
  await removeNamespace(namespace);
  disposeScratch();
});

/** The names of the pods, once there are two that a login reaches; each is asked for by its name. */
async function bothReached(guest: Guest): Promise<string[]> {
  await kubectl('rollout', 'status', `deployment/${guest.name}`, '-n', namespace, '--timeout=150s');
  const names = (await pods(namespace, guest.name)).map(({ metadata }) => metadata.name);
  expect(names).toHaveLength(2);
  const { user, key } = rootOf(guest);
  for (const pod of names)
    expect(await loggedIn({ user: `${user}--${pod}`, key }, 'cat /etc/hostname')).toBe(`${pod}\n`);
  return names.toSorted();
}

test.each(guests.map((guest) => [guest.name, guest] as const))(
  '%s: both pods are reached, and the successor of one that is deleted',
  async (_name, guest) => {
    await waitUntilReady(namespace, guest.name);
    const before = await bothReached(guest);
    const known = (await routeOf(guest)).hostKeys;
    expect(new Set(known).size).toBeGreaterThanOrEqual(2);

    await kubectl('delete', 'pod', '-n', namespace, before[0] ?? '', '--wait=true');
    await eventually(async () => expect(await pods(namespace, guest.name)).toHaveLength(2));
    const after = await bothReached(guest);
    expect(after).toContain(before[1]);
    expect(after).not.toContain(before[0]);
    // What only the dead pod could prove is trusted no more.
    await eventually(async () => {
      const { hostKeys } = await routeOf(guest);
      expect(hostKeys).not.toEqual(known);
      expect(hostKeys).toHaveLength(known.length);
    });
  },
);
