import { expect, test } from 'vitest';
import { Access, decide, type Cluster } from './injection-plan.ts';
import { Pod } from './pod.ts';
import { podSecurityLevel } from './pod-security-level.ts';
import { SKIP_REASONS } from './skip-reasons.ts';

const access = (target: Record<string, unknown> = {}, metadata: Record<string, unknown> = {}): Access =>
  Access.parse({
    metadata: { namespace: 'acme', name: 'my-llm', uid: 'u', ...metadata },
    spec: { target: { name: 'my-llm', ...target }, users: [{ secretRef: { name: 'key' } }] },
  });

const clusterWith = (known: Access | undefined, labels: Record<string, string> | undefined = {}): Cluster => ({
  access: (namespace, name) => (namespace === 'acme' && name === 'my-llm' ? known : undefined),
  namespaceLabels: () => labels,
  limitRanges: () => [],
  systemNamespace: 'sshaccess-system',
  defaultLevel: 'privileged',
});

const pod = (spec: Record<string, unknown> = {}, metadata: Record<string, unknown> = {}): Pod =>
  Pod.parse({
    metadata: { labels: { 'sshaccess.dev/access': 'my-llm' }, ...metadata },
    spec: { containers: [{ name: 'app' }, { name: 'helper' }], ...spec },
  });

const record = {
  version: 1,
  access: 'my-llm',
  container: 'helper',
  sessionEntry: 'chroot',
  rootUid: 0,
  limitedUid: 61_000,
  ofALaterVersion: true,
};
const injected = { annotations: { 'sshaccess.dev/injected': JSON.stringify(record) } };
const labelled = { labels: { 'sshaccess.dev/access': 'my-llm' } };

test.each([
  ['not-selected', pod({}, { labels: {} })],
  ['not-selected', pod({}, { labels: { 'sshaccess.dev/access': '' } })],
  ['access-not-found', pod({}, { labels: { 'sshaccess.dev/access': 'other' } })],
  ['mirror-pod', pod({}, { ...labelled, annotations: { 'kubernetes.io/config.mirror': 'x' } })],
  ['windows', pod({ os: { name: 'windows' } })],
  ['windows', pod({ nodeSelector: { 'kubernetes.io/os': 'windows' } })],
  ['host-network', pod({ hostNetwork: true })],
  ['host-pid', pod({ hostPID: true })],
  ['name-taken', pod({ containers: [{ name: 'app' }, { name: 'sshaccess' }] })],
  ['name-taken', pod({ initContainers: [{ name: 'sshaccess' }] })],
  [
    'name-taken',
    pod({ initContainers: [{ name: 'sshaccess' }] }, { ...labelled, annotations: { 'sshaccess.dev/injected': '{}' } }),
  ],
  ['name-taken', pod({ volumes: [{ name: 'sshaccess-tmp' }] })],
  ['port-taken', pod({ containers: [{ name: 'app', ports: [{ containerPort: 2222 }] }] })],
])('%s', (reason, subject) => {
  expect(decide(subject, 'acme', clusterWith(access()))).toEqual({ skip: reason });
});

test('whoever makes the pod reads each reason to its end: the API server cuts warnings', () => {
  for (const sentence of Object.values(SKIP_REASONS)) {
    expect(`sshaccess: not injected: ${sentence}`.length).toBeLessThanOrEqual(256);
  }
});

test('C5: an SshAccess of another namespace selects nothing', () => {
  expect(decide(pod(), 'evil', clusterWith(access()))).toEqual({ skip: 'access-not-found' });
});

test('our own namespace is never injected, whatever the configuration of the webhook selects', () => {
  expect(decide(pod(), 'sshaccess-system', clusterWith(access()))).toEqual({ skip: 'system-namespace' });
});

test('an SshAccess that is being deleted injects no more', () => {
  const deleted = access({}, { deletionTimestamp: '2026-01-01T00:00:00Z' });
  expect(decide(pod(), 'acme', clusterWith(deleted))).toEqual({ skip: 'access-deleting' });
});

test('a namespace that is not known yet might enforce anything', () => {
  const unknown: Cluster = { ...clusterWith(access()), namespaceLabels: () => undefined };
  expect(decide(pod(), 'acme', unknown)).toEqual({ skip: 'namespace-not-found' });
});

test('the target is the container that is named, else the first', () => {
  const target = (known: Access, subject = pod()) => decide(subject, 'acme', clusterWith(known));
  expect(target(access())).toMatchObject({ plan: { container: 'app' } });
  expect(target(access({ container: 'helper' }))).toMatchObject({ plan: { container: 'helper' } });
  expect(target(access({ container: 'none' }))).toEqual({ skip: 'container-not-found' });
});

test('in a second round the first container stays the first of the first round', () => {
  const proxied = pod(
    { containers: [{ name: 'linkerd-proxy' }, { name: 'helper' }], initContainers: [{ name: 'sshaccess' }] },
    { ...labelled, ...injected },
  );
  expect(decide(proxied, 'acme', clusterWith(access()))).toMatchObject({ plan: { container: 'helper' } });
});

test('a pod that was injected before is no clash with itself', () => {
  const sidecar = { name: 'sshaccess', ports: [{ containerPort: 2222 }] };
  const before = pod({ initContainers: [sidecar], volumes: [{ name: 'sshaccess' }] }, { ...labelled, ...injected });
  expect(decide(before, 'acme', clusterWith(access()))).toHaveProperty('plan');
});

test('the level is the label of the namespace, else what the cluster enforces; nonsense is restricted', () => {
  const enforce = (level: string) => ({ 'pod-security.kubernetes.io/enforce': level });
  expect(podSecurityLevel({}, 'privileged')).toBe('privileged');
  expect(podSecurityLevel({}, 'baseline')).toBe('baseline');
  expect(podSecurityLevel(enforce('baseline'), 'privileged')).toBe('baseline');
  expect(podSecurityLevel(enforce('basline'), 'privileged')).toBe('restricted');
});
