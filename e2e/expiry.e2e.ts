/** Access that ends by its own date, and users beyond what the chart allows: told so, out, and back when it is put right. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from './support/eventually.ts';
import { apply } from './support/kubectl.ts';
import { disposeScratch, generateKey, type Login, ssh } from './support/openssh.ts';
import { endsWithin, stay } from './support/stay.ts';
import {
  accessManifest,
  condition,
  createWorkload,
  keySecret,
  removeNamespace,
  waitUntilReady,
} from './support/workload.ts';

const namespace = 'e2e-expiry';
const promisedMs = 5_000;
const secretRef = { name: 'key' };
const alice = { secretRef };
const bob = { suffix: 'bob', secretRef };
let key = '';

const update = (users: readonly object[] = [alice, bob], spec: object = {}) =>
  apply(accessManifest(namespace, 'app', users, spec));
const login = (suffix?: string): Login => ({
  user: `${namespace}-app${suffix === undefined ? '' : `-${suffix}`}`,
  key,
});
const comesIn = (suffix?: string) =>
  eventually(async () => expect(await ssh(login(suffix), 'true')).toMatchObject({ code: 0 }), promisedMs);

beforeAll(async () => {
  const { path, publicKey } = await generateKey('expiry');
  key = path;
  await createWorkload({ namespace, name: 'app', script: 'sleep infinity' });
  await apply(keySecret(namespace, 'key', publicKey));
  await update();
  await waitUntilReady(namespace, 'app');
  await eventually(async () => expect(await ssh(login(), 'true')).toMatchObject({ code: 0 }));
});

afterAll(async () => {
  await removeNamespace(namespace);
  disposeScratch();
});

test('everybody is warned and out when expiresAt is over, and back when it is put off', async () => {
  await update();
  await comesIn();
  const expiresAt = new Date(Date.now() + 30_000).toISOString();
  await update([alice, { ...bob, expiresAt: '2126-01-01T00:00:00Z' }], { expiresAt });
  // Who came before the end was known was not told of it; who comes now is.
  const session = await eventually(() => stay(login('bob'), ['-tt']), promisedMs);
  expect(await endsWithin(45_000, session)).toContain('expired');
  expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(expiresAt));
  expect(session.output()).toContain('your access ends in');
  await eventually(async () => expect(await condition(namespace, 'app', 'Ready')).toMatch(/^False: Expired/), 20_000);
  await update();
  await comesIn('bob');
});

test('beyond the ceiling of the chart users are named and not served', async () => {
  const more = ['carol', 'd', 'e', 'f'].map((suffix) => ({ suffix, secretRef }));
  await update([alice, bob, ...more]);
  await eventually(
    async () => expect(await condition(namespace, 'app', 'UsernamesOwned')).toMatch(/^False: TooManyUsers: .*-app-f;/),
    20_000,
  );
  await comesIn('e');
  expect((await ssh(login('f'), 'true')).code).toBe(255);
});
