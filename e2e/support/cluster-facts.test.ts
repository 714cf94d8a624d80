import { expect, test } from 'vitest';
import { accessFacts, eventFacts, faults, logFacts, type Pod, podFacts } from './cluster-facts.ts';

const now = Date.parse('2026-01-01T00:10:00Z');
const container = (name: string, ready: boolean, state = {}) => ({ name, ready, restartCount: 0, state });
const pod = (namespace: string, name: string, status: Partial<Pod['status']> = {}, metadata = {}): Pod => ({
  metadata: { namespace, name, creationTimestamp: '2026-01-01T00:09:30Z', ...metadata },
  status: {
    phase: 'Running',
    conditions: [{ type: 'Ready', status: 'True' }],
    initContainerStatuses: [],
    containerStatuses: [container('app', true)],
    ...status,
  },
});
const unready = {
  conditions: [],
  containerStatuses: [container('app', false, { waiting: { reason: 'ErrImagePull' } })],
};

test('all pods of the system are told, and of others those that are not well, not more than twenty', () => {
  const stranger = pod('acme', 'well');
  const leaving = pod('sys', 'piper', {}, { deletionTimestamp: '2026-01-01T00:20:00Z' });
  const facts = podFacts([stranger, leaving, pod('acme', 'broken', unready)], 'sys', now);
  expect(facts).toEqual([
    'sys/piper: Running, 30 s old, TERMINATING by 2026-01-01T00:20:00Z (app ready 0 restarts)',
    'acme/broken: Running, 30 s old (app not ready ErrImagePull 0 restarts)',
  ]);
  const crowd = Array.from({ length: 100 }, (_, index) => pod('acme', `broken-${index}`, unready));
  expect(podFacts(crowd, 'sys', now)).toHaveLength(20);
});

test('warnings are of the last two minutes, each a line of bounded length', () => {
  const event = (lastTimestamp: string, message: string) => ({
    metadata: { namespace: 'acme', creationTimestamp: lastTimestamp },
    involvedObject: { kind: 'Pod', name: 'web' },
    reason: 'Failed',
    message,
    lastTimestamp,
  });
  const facts = eventFacts(
    [event('2026-01-01T00:09:59Z', `late\n${'x'.repeat(1000)}`), event('2026-01-01T00:07:59Z', 'old')],
    now,
  );
  expect(facts).toHaveLength(1);
  expect(facts[0]).toMatch(/^2026-01-01T00:09:59.000Z acme\/Pod web: Failed: late x+…$/);
  expect(facts[0]?.length).toBeLessThan(310);
});

test('an SshAccess that is not Ready says why; of one that is, nothing is said', () => {
  const access = (status: string) => ({
    metadata: { namespace: 'acme', name: 'web' },
    status: { conditions: [{ type: 'Ready', status, reason: 'NoPods', message: 'none' }] },
  });
  expect(accessFacts([access('True'), access('False')])).toEqual(['sshaccess acme/web is not Ready: NoPods: none']);
});

test('of a log that is of somebody well only complaints are told; of another, its end', () => {
  const log = ['info', 'warn', 'info'].map((level) => `{"level":"${level}"}`).join('\n');
  expect(logFacts(log, pod('sys', 'well'), 15)).toEqual(['well: {"level":"warn"}']);
  expect(logFacts(log, pod('sys', 'ill', unready), 2)).toEqual(['ill: {"level":"warn"}', 'ill: {"level":"info"}']);
});

test('a system is broken where a program is missing, is scaled to nothing, or is not ready', () => {
  const deployment = (component: string, replicas: number, readyReplicas: number) => ({
    metadata: { labels: { 'app.kubernetes.io/component': component } },
    spec: { replicas },
    status: { readyReplicas },
  });
  const piper = deployment('piper', 2, 2);
  expect(faults([piper, deployment('operator', 1, 1), deployment('webhook', 1, 1)])).toEqual([]);
  expect(faults([piper, deployment('operator', 0, 0)])).toEqual([
    '0 of 0 replicas of the operator are ready',
    'there is no webhook',
  ]);
});
