/** Host keys stay, users come and go within seconds, nothing restarts that need not. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from './support/eventually.ts';
import { apply, kubectl, pods } from './support/kubectl.ts';
import { type Login, disposeScratch, generateKey, scratch, ssh } from './support/openssh.ts';
import { endsWithin, type Stay, stay } from './support/stay.ts';
import { accessManifest, createWorkload, keySecret, removeNamespace, waitUntilReady } from './support/workload.ts';

const namespace = 'e2e-lifecycle';
const promisedMs = 5000;
const primary = { secretRef: { name: 'alice' } };
const second = { suffix: 'bob', secretRef: { name: 'bob' } };
const logins: Record<'alice' | 'bob', Login> = {
  alice: { user: `${namespace}-app`, key: join(scratch, 'alice') },
  bob: { user: `${namespace}-app-bob`, key: join(scratch, 'bob') },
};

beforeAll(async () => {
  await createWorkload({ namespace, name: 'app', script: 'sleep infinity' });
  for (const name of ['alice', 'bob']) await apply(keySecret(namespace, name, (await generateKey(name)).publicKey));
  await apply(accessManifest(namespace, 'app', [primary]));
  await waitUntilReady(namespace, 'app');
  await kubectl('rollout', 'status', 'deployment/app', '-n', namespace, '--timeout=120s');
  await eventually(async () => expect((await ssh(logins.alice, 'true')).code).toBe(0));
});

afterAll(async () => {
  await removeNamespace(namespace);
  disposeScratch();
});

const endsInTime = (session: Stay): Promise<string> => endsWithin(promisedMs, session);

const podUids = async () =>
  (await pods(namespace, 'app')).map((pod) => `${pod.metadata.uid} ${restarts(pod)}`).toSorted();
const restarts = (pod: Awaited<ReturnType<typeof pods>>[number]) =>
  [...pod.status.containerStatuses, ...pod.status.initContainerStatuses]
    .map((container) => container.restartCount)
    .join(',');

describe('users', () => {
  test('one who is added comes in within 5 s, one who is removed is out within 5 s; nothing restarts', async () => {
    const before = await podUids();
    const alice = await stay(logins.alice);

    await apply(accessManifest(namespace, 'app', [primary, second]));
    await eventually(async () => expect((await ssh(logins.bob, 'true')).code).toBe(0), promisedMs);
    const bob = await stay(logins.bob);

    await apply(accessManifest(namespace, 'app', [primary]));
    expect(await endsInTime(bob)).toMatch(/revoked|no longer/);
    expect((await ssh(logins.bob, 'true')).code).toBe(255);

    expect(alice.alive()).toBe(true);
    expect(await podUids()).toEqual(before);
  });

  test('a changed key lets the new one in and ends the session of the old one, within 5 s', async () => {
    const session = await stay(logins.alice);
    const successor = await generateKey('alice-2');
    await apply(keySecret(namespace, 'alice', successor.publicKey));
    await endsInTime(session);
    const login = { ...logins.alice, key: successor.path };
    await eventually(async () => expect((await ssh(login, 'true')).code).toBe(0), promisedMs);
    expect((await ssh(logins.alice, 'true')).code).toBe(255);
    await apply(keySecret(namespace, 'alice', readFileSync(join(scratch, 'alice.pub'), 'utf8')));
    await eventually(async () => expect((await ssh(logins.alice, 'true')).code).toBe(0), promisedMs);
  });

  test('the toggle ends sessions within 5 s and lets users back in without a restart', async () => {
    const before = await podUids();
    const session = await stay(logins.alice);
    await apply(accessManifest(namespace, 'app', [primary], { enabled: false }));
    await endsInTime(session);
    await apply(accessManifest(namespace, 'app', [primary]));
    await eventually(async () => expect((await ssh(logins.alice, 'true')).code).toBe(0), promisedMs);
    expect(await podUids()).toEqual(before);
  });
});

test('the successor of a deleted pod is reached, and proves the same host key', async () => {
  const [old] = await pods(namespace, 'app');
  await kubectl('delete', 'pod', '-n', namespace, old?.metadata.name ?? '', '--wait=true');
  const host = await eventually(async () => {
    const { stdout, code } = await ssh(logins.alice, 'hostname');
    expect(code).toBe(0);
    return stdout.trim();
  });
  expect(host).not.toBe(old?.metadata.name);
  await waitUntilReady(namespace, 'app');
});
