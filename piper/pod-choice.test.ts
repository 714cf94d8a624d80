/** A user reaches the pod they name, and no other in its place. */
import { expect, test } from 'vitest';
import { LABEL_ENDPOINTS } from '../crds/index.ts';
import { createLogger } from '../lib/process/logger.ts';
import { isLiteral } from './directory/addresses.ts';
import { ObjectDirectory } from './directory/directory.ts';
import { EndpointSliceObject, LABEL_SERVICE_NAME } from './directory/objects.ts';
import { keys, secretOf, startRig } from './testing/rig.ts';

async function rigOf(addresses: string[]) {
  const rig = await startRig({ addresses });
  return rig;
}

const sliceOf = (namespace: string, service: string, pod: string): EndpointSliceObject =>
  EndpointSliceObject.parse({
    metadata: { name: 's', namespace, labels: { [LABEL_ENDPOINTS]: 'x', [LABEL_SERVICE_NAME]: service } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['127.0.0.1'], targetRef: { name: pod } }],
  });

test('by name and by ordinal; the pod is told the username alone, and the record has it', async () => {
  const rig = await rigOf(['127.0.0.2', '127.0.0.1']);
  for (const login of ['acme-hello--pod-127.0.0.1', 'acme-hello.0']) {
    await rig.login(login);
    expect((await rig.pod.links.take()).assertion).toMatchObject({ username: 'acme-hello' });
  }
  await expect.poll(() => rig.lines.filter(({ event }) => event === 'start')).toHaveLength(2);
  for (const line of rig.lines.filter(({ event }) => event === 'start'))
    expect(line).toMatchObject({ username: 'acme-hello', pod: 'pod-127.0.0.1' });
});

test('a pod that is named and does not answer is not replaced by another', async () => {
  const rig = await rigOf(['127.0.0.2', '127.0.0.1']);
  await expect(rig.login('acme-hello--pod-127.0.0.2')).rejects.toThrow('unreachable');
  await expect(rig.login('acme-hello--pod-127.0.0.3')).rejects.toThrow('no-such-pod');
  await expect(rig.login('acme-hello.2')).rejects.toThrow('no-such-pod');
  expect(rig.pod.connections).toBe(0);
});

test("a pod's name opens nothing: the key must be that of the user", async () => {
  const rig = await rigOf(['127.0.0.1']);
  await expect(rig.login('acme-hello--pod-127.0.0.1', keys.bob)).rejects.toThrow();
  await expect(rig.login('acme-hello-dev--pod-127.0.0.1', keys.alice)).rejects.toThrow();
  expect(rig.pod.connections).toBe(0);
});

test("C7: a tenant who has another's user and pod for a username gets nobody who means the pod, and nobody else", async () => {
  const rig = await rigOf(['127.0.0.1']);
  const pod = 'pod-127-0-0-1';
  rig.directory.setSlice('acme/slice', sliceOf('acme', 'hello-sshaccess', pod));
  rig.directory.setSlice('evil/slice', sliceOf('evil', 'evil-sshaccess', 'trap'));
  rig.directory.setSlice('acme/other', sliceOf('acme', 'evil-sshaccess', 'other'));
  const alice = rig.users[0];
  const trap = (namespace: string, name: string) => {
    const users = rig.users.slice(0, 1).map((user) => ({ ...user, username: `${alice?.username}--${name}` }));
    const route = { ...rig.route, namespace, uid: 'u-2', service: 'evil-sshaccess', users };
    rig.directory.setSecret('system/route-2', secretOf(route));
  };
  trap('evil', pod);
  await expect(rig.login(`acme-hello--${pod}`)).rejects.toThrow();
  expect(rig.pod.connections).toBe(0);
  await rig.login('acme-hello.0');
  // Of a pod that is none of theirs it is a username like any other, and so it is in their own namespace.
  trap('evil', 'trap');
  await rig.login('acme-hello--trap');
  expect((await rig.pod.links.take()).assertion).toMatchObject({ username: 'acme-hello' });
  expect((await rig.pod.links.take()).assertion).toMatchObject({ username: 'acme-hello--trap' });
  trap('acme', pod);
  await rig.login(`acme-hello--${pod}`);
  expect((await rig.pod.links.take()).assertion).toMatchObject({ username: `acme-hello--${pod}` });
});

test('C6: the longest username, alone and with the longest pod name that still fits', async () => {
  const rig = await rigOf(['127.0.0.1']);
  const parts = ['organization', 'slug', 'suffix'].map((part) => part.padEnd(63, 'x'));
  const username = parts.join('-');
  const rename = (name: string) =>
    rig.setRoute({ users: rig.users.slice(0, 1).map((user) => ({ ...user, username: name })) });
  rename(username);
  // RFC 4252 has no bound; ours is 255 bytes.
  const pod = 'p'.repeat(255 - username.length - '--'.length);
  rig.directory.setSlice('acme/slice', sliceOf('acme', 'hello-sshaccess', pod));
  for (const login of [username, `${username}--${pod}`]) {
    await rig.login(login);
    expect((await rig.pod.links.take()).assertion).toMatchObject({ username });
  }
  await expect(rig.login(`${username}--${pod}p`)).rejects.toThrow('refused our key');
  // One that no organization, slug and suffix can make is nobody, and so is the route that has it.
  rename(`${username}x`);
  await expect(rig.login(`${username}x`)).rejects.toThrow('refused our key');
});

test('connections to a named pod count for the user', async () => {
  const rig = await startRig({ limits: { connectionsPerUser: 2 } });
  await rig.login('acme-hello');
  await rig.login('acme-hello.0');
  await expect(rig.login('acme-hello--pod-127.0.0.1')).rejects.toThrow('too-many-connections');
});

test('a pod is as old as our first sight of it, and forgotten when it goes', () => {
  const clock = { time: 100 };
  const directory = new ObjectDirectory(createLogger('piper', { level: 'silent' }), isLiteral, () => clock.time);
  const set = (...names: string[]): void =>
    directory.setSlice(
      'acme/slice',
      EndpointSliceObject.parse({
        metadata: { name: 's', namespace: 'acme', labels: { [LABEL_ENDPOINTS]: 'x', [LABEL_SERVICE_NAME]: 'web' } },
        addressType: 'IPv4',
        endpoints: names.map((name) => ({ addresses: [`10.0.0.${name}`], targetRef: { name } })),
      }),
    );
  const seen = (): object =>
    Object.fromEntries(directory.pods({ namespace: 'acme', service: 'web' }).map((pod) => [pod.name, pod.seen]));
  set('1', '2');
  clock.time = 200;
  set('2', '3');
  expect(seen()).toEqual({ 2: 100, 3: 200 });
  directory.removeSlice('acme/slice');
  clock.time = 300;
  set('2');
  expect(seen()).toEqual({ 2: 300 });
});
