/** What is read of a pod that its author wrote to harm us, and of what the kubelet leaves open. */
import { expect, test } from 'vitest';
import { ANNOTATION_INJECTED, LABEL_ACCESS } from '../crds/index.ts';
import { parsePod } from './access-pod.ts';
import { servingOf, upstreamUserOf } from './serving.ts';
import { mainRecord } from './testing/samples.ts';

const podWith = (name: string, record: object, spec: object = {}) => {
  const annotations = { [ANNOTATION_INJECTED]: JSON.stringify(record) };
  const labels = { [LABEL_ACCESS]: 'web' };
  const status = { phase: 'Running', podIP: '10.0.0.7' };
  const pod = parsePod({ metadata: { name, namespace: 'acme', uid: name, labels, annotations }, spec, status });
  if (pod === undefined) throw new Error('this is a pod of ours');
  return pod;
};

test('C8: more usernames than an SshAccess can have are none: comparing those of each pod takes the square of their number', () => {
  const names = (count: number) => Array.from({ length: count }, (_, index) => `u${index}`);
  const told = (usernames: readonly string[]) => podWith('web-1', mainRecord('image', { usernames: [...usernames] }));
  expect(told(names(5)).record?.mainContainer?.usernames).toHaveLength(5);
  expect(told(names(1_000)).record?.mainContainer).toBeUndefined();
  expect(told(names(20_000)).record).toBeUndefined();
  const serving = servingOf({ runtime: 'main_container' }, [told(names(20_000)), told(names(20_000))], undefined);
  expect(upstreamUserOf(serving, 'acme-web')).toBeUndefined();
});

test('C8: a pod in the network of its node has no address of its own, whatever is written on it', () => {
  expect(podWith('web-1', mainRecord()).address).toBe('10.0.0.7');
  expect(podWith('web-1', mainRecord(), { hostNetwork: true }).address).toBeUndefined();
});

test('times that the kubelet does not know are null, and the pod counts all the same', () => {
  const terminated = { exitCode: 137, reason: 'ContainerStatusUnknown', startedAt: null, finishedAt: null };
  const [ended, running] = [{ state: { terminated } }, { state: { running: { startedAt: null } } }];
  const metadata = { name: 'web-1', namespace: 'acme', uid: 'u', labels: { [LABEL_ACCESS]: 'web' } };
  const podOf = (container: object) => {
    const containerStatuses = [{ name: 'app', restartCount: 5, lastState: { terminated }, ...container }];
    return parsePod({ metadata, status: { phase: 'Running', containerStatuses } });
  };
  // How long it lived is not known either, so nobody is told that it crashes.
  for (const container of [ended, running])
    expect(podOf(container)).toMatchObject({ name: 'web-1', crashing: undefined });
});

test('a pod without a node says why it has none', () => {
  const metadata = { name: 'web-1', namespace: 'acme', uid: 'u', labels: { [LABEL_ACCESS]: 'web' } };
  const message = '0/3 nodes are available: 3 Insufficient memory.';
  const scheduled = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message };
  const pod = parsePod({ metadata, status: { phase: 'Pending', conditions: [scheduled] } });
  expect(pod?.waiting).toBe(`Unschedulable: ${message}`);
});
