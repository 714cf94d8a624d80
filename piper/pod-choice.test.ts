/** A user reaches the pod they name, and no other in its place. */
import { expect, onTestFinished, test } from 'vitest';
import { LABEL_ENDPOINTS } from '../crds/index.ts';
import { createLogger } from '../lib/process/logger.ts';
import { isLiteral } from './directory/addresses.ts';
import { ObjectDirectory } from './directory/directory.ts';
import { EndpointSliceObject, LABEL_SERVICE_NAME } from './directory/objects.ts';
import { keys, startRig } from './testing/rig.ts';

async function rigOf(addresses: string[]) {
  const rig = await startRig({ addresses });
  onTestFinished(() => rig.stop());
  return rig;
}

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

test('connections to a named pod count for the user', async () => {
  const rig = await startRig({ limits: { connectionsPerUser: 2 } });
  onTestFinished(() => rig.stop());
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
