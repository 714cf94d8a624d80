/** Over the wire: every pod hears who has lost their access, whoever is connected. */
import { afterEach, expect, test } from 'vitest';
import type { LeftoversOrder } from '../../crds/index.ts';
import { Inbox } from '../testing/inbox.ts';
import { keys, startRig, type Rig } from '../testing/rig.ts';

const rigs: Rig[] = [];
afterEach(async () => {
  await Promise.all(rigs.splice(0).map((rig) => rig.stop()));
});

async function rigOf(addresses?: string[]) {
  const orders = new Inbox<LeftoversOrder>();
  const rig = await startRig({ pod: { onOrder: (order) => orders.put(order) }, ...(addresses && { addresses }) });
  rigs.push(rig);
  return { rig, orders };
}

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
  expect(rig.lines.filter(({ msg }) => msg === 'the pod could not be told who lost access')).toEqual([]);
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
    .poll(() => rig.lines.find(({ msg }) => msg === 'the pod could not be told who lost access'), { timeout: 20_000 })
    .toMatchObject({ users: ['acme-hello', 'acme-hello-dev'] });
  expect(orders.size).toBe(0);
});
