/** Over the wire: every pod hears who has lost their access, whoever is connected. */
import { expect, test } from 'vitest';
import type { LeftoversOrder, Roster } from '../../crds/index.ts';
import { FakeClock } from '../../lib/ssh/testing/fake-clock.ts';
import { Inbox } from '../testing/inbox.ts';
import { keys, startRig } from '../testing/rig.ts';

async function rigOf(addresses?: string[]) {
  const orders = new Inbox<LeftoversOrder>();
  const rig = await startRig({ pod: { onOrder: (order) => orders.put(order) }, ...(addresses && { addresses }) });
  return { rig, orders };
}

const NOT_TOLD = 'the pod could not be told who lost access';
const all = (username: string) => ({ username, fingerprints: null });

test('nobody is connected, and the pod hears of it; nothing is said of those who stay', async () => {
  const { rig, orders } = await rigOf();
  rig.setRoute({ users: rig.users.slice(1) });
  expect(await orders.take()).toMatchObject({ endings: [all('acme-hello')] });
  rig.setRoute({ users: rig.users.slice(1), banner: 'hello' });
  rig.setRoute({ enabled: false, users: [] });
  expect(await orders.take()).toMatchObject({ endings: [all('acme-hello-dev')] });
});

test('a route that goes says it of all its users, to pods that are terminating, too', async () => {
  const { rig, orders } = await rigOf();
  rig.setPods(['127.0.0.1'], { terminating: true });
  rig.directory.removeSecret('system/route-1');
  expect(await orders.take()).toMatchObject({ endings: [all('acme-hello'), all('acme-hello-dev')] });
});

test('a pod that is not there yet is told later, unless it is gone by then', async () => {
  // Nobody listens at the second address until the first visit has failed.
  const { rig, orders } = await rigOf(['127.0.0.1', '127.0.0.2']);
  rig.setRoute({ users: rig.users.slice(1) });
  const { agoMs } = await orders.take();
  rig.setPods(['127.0.0.1']);
  expect(agoMs).toBeLessThan(2_000);
  expect(rig.lines.filter(({ msg, level }) => msg === NOT_TOLD && level !== 'debug')).toEqual([]);
});

test('who expires while nobody is connected has lost everything at that time', async () => {
  const { rig, orders } = await rigOf();
  const expiresAt = new Date(Date.now() + 400).toISOString();
  rig.setRoute({ users: rig.users.map((user, index) => (index === 0 ? { ...user, expiresAt } : user)) });
  expect(await orders.take()).toMatchObject({ endings: [all('acme-hello')] });
  expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(expiresAt));
});

test('pods with another host key hear nothing, and the log says so', async () => {
  const { rig, orders } = await rigOf();
  const hostKeys = [keys.stranger.publicKey.toLine()];
  rig.setRoute({ hostKeys });
  rig.setRoute({ hostKeys, users: [] });
  await expect
    .poll(() => rig.lines.find(({ msg }) => msg === NOT_TOLD), { timeout: 20_000 })
    .toMatchObject({ users: ['acme-hello', 'acme-hello-dev'] });
  expect(orders.size).toBe(0);
});

const NOW = Date.parse('2030-01-01T00:00:00Z');

/** Time passes where the test says so; the pod has the time to listen where it says so. */
async function timedRig() {
  const [orders, rosters] = [new Inbox<LeftoversOrder>(), new Inbox<Roster>()];
  const clock = new FakeClock();
  const pod = { starved: false };
  const rig = await startRig({
    clock,
    now: () => NOW + clock.now(),
    pod: {
      isStarved: () => pod.starved,
      onOrder: (order) => orders.put(order),
      onRoster: (roster) => rosters.put(roster),
    },
  });
  /** As if for the first time. */
  const sees = (): void => {
    rig.directory.removeSlice('acme/slice');
    rig.setPods(['127.0.0.1']);
  };
  const failures = () => rig.lines.filter(({ msg }) => msg === NOT_TOLD);
  return { rig, orders, rosters, clock, pod, sees, failures };
}

test('E1: a pod that its user keeps too busy to listen is told as long as it is there, however long that takes', async () => {
  const { rig, orders, clock, pod, sees, failures } = await timedRig();
  sees();
  pod.starved = true;
  rig.setRoute({ users: rig.users.slice(1) });
  for (let tries = 1; tries <= 12; tries++) {
    await expect.poll(() => failures().length, { timeout: 20_000 }).toBe(tries);
    clock.pass(600_000);
  }
  // It has been said, and is not said each time.
  expect(failures().filter(({ level }) => level === 'warn')).toHaveLength(1);
  pod.starved = false;
  await expect
    .poll(
      () => {
        clock.pass(600_000);
        return orders.size;
      },
      { timeout: 20_000 },
    )
    .toBe(1);
  expect(await orders.take()).toEqual({ version: 1, endings: [all('acme-hello')], agoMs: 3_600_000 });
});

test('E1: a piper that has started tells each pod once who may stay, and spares what began since it was there', async () => {
  const { rig, rosters, clock, sees } = await timedRig();
  const line = keys.alice.publicKey.toLine();
  const ending = rig.users.map((user, index) =>
    index === 0 ? { ...user, authorizedKeys: [line, `expiry-time="20200101Z" ${keys.bob.publicKey.toLine()}`] } : user,
  );
  rig.setRoute({ users: ending });
  sees();
  clock.pass(10_000);
  const residents = [
    { username: 'acme-hello', role: 'root', uidOffset: 0, fingerprints: [keys.alice.publicKey.fingerprint] },
    { username: 'acme-hello-dev', role: 'limited', uidOffset: 7, fingerprints: [keys.bob.publicKey.fingerprint] },
  ];
  await expect.poll(() => rosters.size, { timeout: 20_000 }).toBe(1);
  expect(await rosters.take()).toMatchObject({ version: 1, residents });
  await expect.poll(() => rig.lines.some(({ msg }) => msg === 'the pod knows who may stay')).toBe(true);
  clock.pass(60_000);
  // A pod that comes later may have been away.
  sees();
  clock.pass(5_000);
  expect((await rosters.take()).agoMs).toBeLessThanOrEqual(5_000);
  expect(rosters.size).toBe(0);
});

test('of users with an authority it is not known which keys their certificates are of', async () => {
  const { rig, rosters, clock, sees } = await timedRig();
  const line = `cert-authority ${keys.stranger.publicKey.toLine()}`;
  rig.setRoute({ users: rig.users.slice(0, 1).map((user) => ({ ...user, authorizedKeys: [line] })) });
  sees();
  clock.pass(10_000);
  expect((await rosters.take()).residents).toMatchObject([{ username: 'acme-hello', fingerprints: null }]);
});

test('a pod that has missed more changes than are kept for it is told what they have come to', async () => {
  const { rig, orders, rosters, clock, pod, sees, failures } = await timedRig();
  sees();
  clock.pass(10_000);
  await rosters.take();
  pod.starved = true;
  for (let change = 0; change < 20; change++) {
    rig.setRoute({ users: rig.users.slice(1) });
    rig.setRoute({});
  }
  rig.setRoute({ users: rig.users.slice(1) });
  await expect.poll(() => failures().length, { timeout: 20_000 }).toBeGreaterThan(0);
  pod.starved = false;
  await expect
    .poll(
      () => {
        clock.pass(600_000);
        return rosters.size;
      },
      { timeout: 20_000 },
    )
    .toBe(1);
  expect((await rosters.take()).residents.map(({ username }) => username)).toEqual(['acme-hello-dev']);
  expect(orders.size).toBeLessThanOrEqual(8);
});

test('E1: what a key let in ends when its time is over, though nobody is connected', async () => {
  const { rig, orders, clock, sees } = await timedRig();
  sees();
  const line = `expiry-time="20300101000100Z" ${keys.alice.publicKey.toLine()}`;
  const user = (more: string[]) => rig.users.slice(0, 1).map((one) => ({ ...one, authorizedKeys: [line, ...more] }));
  rig.setRoute({ users: [...user([keys.stranger.publicKey.toLine()]), ...rig.users.slice(1)] });
  // The key has other options than before.
  expect(await orders.take()).toMatchObject({ endings: [{ fingerprints: [keys.alice.publicKey.fingerprint] }] });
  clock.pass(59_000);
  expect(orders.size).toBe(0);
  clock.pass(1_001);
  const fingerprints = [keys.alice.publicKey.fingerprint];
  await expect.poll(() => orders.size, { timeout: 20_000 }).toBe(1);
  expect(await orders.take()).toMatchObject({ endings: [{ username: 'acme-hello', fingerprints }] });
});
