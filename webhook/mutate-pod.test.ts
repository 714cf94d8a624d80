/** What a pod that is left alone has to say for itself (crds/skip-record.ts). */
import { applyPatch } from 'rfc6902';
import { expect, test } from 'vitest';
import { skipSettings, SkipRecord } from '../crds/index.ts';
import { Access, type Cluster } from './injection-plan.ts';
import { mutatePod } from './mutate-pod.ts';
import { Pod } from './pod.ts';

const settings = {
  image: 'sidecar',
  pullPolicy: 'IfNotPresent',
  resources: { usual: {}, guaranteed: { cpu: '1', memory: '1Gi' } },
  metricsPort: 0,
};
const accessTo = (target: object): Access =>
  Access.parse({
    metadata: { namespace: 'acme', name: 'web', uid: 'u' },
    spec: { target: { name: 'web', ...target }, users: [{ secretRef: { name: 'key' } }] },
  });
const clusterWith = (access: Access | undefined): Cluster => ({
  access: () => access,
  namespaceLabels: () => ({}),
  limitRanges: () => [],
  systemNamespace: 'sshaccess-system',
  defaultLevel: 'privileged',
});
const podOf = (spec: object, annotations?: Record<string, string>) => ({
  metadata: { name: 'web-1', labels: { 'sshaccess.dev/access': 'web' }, ...(annotations && { annotations }) },
  spec: { containers: [{ name: 'app' }], ...spec },
});

/** The pod as it is after the webhook, and what its annotation says. */
function mutated(object: object, access: Access | 'none' = accessTo({})) {
  const request = {
    uid: 'u',
    kind: { group: '', version: 'v1', kind: 'Pod' },
    namespace: 'acme',
    operation: 'CREATE',
    object,
  };
  const { response, record } = mutatePod(request, clusterWith(access === 'none' ? undefined : access), settings);
  const after = structuredClone(object);
  const operations = JSON.parse(Buffer.from(response.patch ?? 'W10=', 'base64').toString());
  for (const problem of applyPatch(after, operations)) expect(problem).toBeNull();
  const note = Pod.parse(after).metadata.annotations?.['sshaccess.dev/skipped'];
  return { after, record, response, note: note === undefined ? undefined : SkipRecord.parse(JSON.parse(note)) };
}

test.each([
  ['host-pid', { hostPID: true }],
  ['host-network', { hostNetwork: true }],
  ['port-taken', { containers: [{ name: 'app', ports: [{ containerPort: 2222 }] }] }],
] as const)('%s stands on the pod, with the spec that it was decided by; twice equals once', (reason, spec) => {
  const access = accessTo({});
  const { after, note, response } = mutated(podOf(spec), access);
  expect(note).toEqual({ version: 1, reason, settings: skipSettings(access.spec) });
  expect(response.warnings).toEqual([expect.stringContaining('not injected')]);
  expect(mutated(after).response.patch).toBeUndefined();
  expect(mutated(podOf(spec, { 'sshaccess.dev/skipped': 'mine', theirs: 'x' })).note).toEqual(note);
});

test('what may be otherwise for the next pod leaves no word: no SshAccess yet', () => {
  const { record, note } = mutated(podOf({ hostPID: true }), 'none');
  expect([record.reason, note]).toEqual(['access-not-found', undefined]);
});

test('a pod that was copied from one that was left alone, and is injected, loses the word', () => {
  const { record, note } = mutated(podOf({}, { 'sshaccess.dev/skipped': '{}' }));
  expect([record.decision, note]).toEqual(['injected', undefined]);
});

test('what decides is in the word of the spec, and nothing else is', () => {
  const word = (spec: object): string => skipSettings(accessTo(spec).spec);
  expect(word({ container: 'app' })).not.toBe(word({}));
  expect(word({ kind: 'StatefulSet' })).toBe(word({}));
});
