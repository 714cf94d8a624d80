/** Access that ends by its own date, and users beyond what the chart allows: told so, out, and back when it is put right. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from './support/eventually.ts';
import { apply } from './support/kubectl.ts';
import { disposeScratch, generateKey, type Login, ssh } from './support/openssh.ts';
import { endsWithin, type Stay, stay } from './support/stay.ts';
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
/** For a login before it, on a machine that has much else to do. */
const expiresInMs = 40_000;
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
  eventually(async () => expect(await ssh(login(suffix), 'true')).toMatchObject({ code: 0 }));

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

/** Who comes before that piper knows of the end is not told of it at the end; its greeting says whether it does. */
const shellThatEnds = (expiresAt: string): Promise<Stay> =>
  eventually(async () => {
    const shell = await stay(login('bob'), ['-tt'], []);
    try {
      const ends = `ends at ${expiresAt.slice(0, 16).replace('T', ' ')} UTC`;
      await expect.poll(() => shell.output(), { timeout: promisedMs }).toContain(ends);
      return shell;
    } catch (error) {
      shell.end();
      throw error;
    }
  }, expiresInMs / 2);

test('everybody is warned and out when expiresAt is over, and back when it is put off', async () => {
  await update();
  await comesIn();
  const expiresAt = new Date(Date.now() + expiresInMs).toISOString();
  await update([alice, { ...bob, expiresAt: '2126-01-01T00:00:00Z' }], { expiresAt });
  const session = await shellThatEnds(expiresAt);
  expect(await endsWithin(expiresInMs + promisedMs, session)).toContain('expired');
  expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(expiresAt));
  expect(session.output()).toContain('your access ends in');
  await eventually(async () => expect(await condition(namespace, 'app', 'Ready')).toMatch(/^False: Expired/));
  await update();
  await comesIn('bob');
});

test('beyond the ceiling of the chart users are named and not served', async () => {
  const more = ['carol', 'd', 'e', 'f'].map((suffix) => ({ suffix, secretRef }));
  await update([alice, bob, ...more]);
  await eventually(async () =>
    expect(await condition(namespace, 'app', 'UsernamesOwned')).toMatch(/^False: TooManyUsers: .*-app-f;/),
  );
  await comesIn('e');
  expect((await ssh(login('f'), 'true')).code).toBe(255);
});
