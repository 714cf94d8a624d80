import { expect, test } from 'vitest';
import { decideLabel, labelManifest, releaseManifest } from './template-label.ts';
import type { Workload } from './workload.ts';
import { access, workload } from './testing/samples.ts';

const web = { name: 'web', uid: 'a1', settings: {} };

const manual = { rollout: 'Manual' };
const off = { enabled: false };
const named = { target: { name: 'web', container: 'sidekick' } };

const bare = { target: { kind: 'ReplicaSet', name: 'web' } };
const aJob = { target: { apiVersion: 'batch/v1', kind: 'Job', name: 'web' } };
const aCronJob = { target: { apiVersion: 'batch/v1', kind: 'CronJob', name: 'web' } };

type Case = [string, { spec: object; target?: Workload; rival?: string }, string];
const cases: Case[] = [
  ['absent', { spec: {} }, 'TargetNotFound'],
  ['being deleted', { spec: {}, target: workload({ isDeleting: true }) }, 'TargetNotFound'],
  ['the target of an older one', { spec: {}, target: workload({ label: 'web' }), rival: 'old' }, 'TargetTaken'],
  [
    'made by another',
    { spec: bare, target: workload({ kind: 'ReplicaSet', controller: 'deployment/web' }) },
    'TargetControlled',
  ],
  ['a bare ReplicaSet', { spec: bare, target: workload({ kind: 'ReplicaSet' }) }, 'apply'],
  ['without the container', { spec: named, target: workload({ label: 'web' }) }, 'ContainerNotFound'],
  ['labelled', { spec: {}, target: workload({ label: 'web' }) }, 'nothing'],
  ['labelled by hand', { spec: manual, target: workload({ label: 'web' }) }, 'nothing'],
  ['unlabelled, disabled', { spec: off, target: workload() }, 'nothing'],
  ['unlabelled', { spec: {}, target: workload() }, 'apply'],
  ['labelled for another', { spec: {}, target: workload({ label: 'gone' }) }, 'apply'],
  ['a Job without the label', { spec: aJob, target: workload({ kind: 'Job' }) }, 'JobNotLabelled'],
  ['a Job with it', { spec: aJob, target: workload({ kind: 'Job', label: 'web' }) }, 'nothing'],
  ['a CronJob', { spec: aCronJob, target: workload({ kind: 'CronJob' }) }, 'apply'],
  ['unlabelled, Manual', { spec: manual, target: workload() }, 'LabelMissing'],
];

test.each(cases)('a workload that is %s', (_, { spec, target, rival }, expected) => {
  const decision = decideLabel(access(spec), target, rival);
  const outcome = decision.action === 'apply' ? 'apply' : (decision.problem?.reason ?? 'nothing');
  expect(outcome).toBe(expected);
});

test('Manual says the command to type', () => {
  const decision = decideLabel(access(manual), workload(), undefined);
  expect(decision).toMatchObject({
    problem: {
      message: expect.stringContaining(
        `kubectl -n acme patch deployment web --type merge -p '{"spec":{"template":{"metadata":{"labels":{"sshaccess.dev/access":"web"}}}}}'`,
      ),
    },
  });
});

test('of a CronJob the template lies deeper', () => {
  const decision = decideLabel(access({ ...manual, ...aCronJob }), workload({ kind: 'CronJob' }), undefined);
  const labels = { 'sshaccess.dev/access': 'web' };
  expect(decision).toMatchObject({
    problem: { message: expect.stringContaining('{"spec":{"jobTemplate":{"spec":{"template":{"metadata":{"labels":') },
  });
  expect(labelManifest(workload({ kind: 'CronJob' }), web)['spec']).toMatchObject({
    jobTemplate: { spec: { template: { metadata: { labels } } } },
  });
});

test('an SshAccess made again under its name has pods of its own: those before hold the old keys', () => {
  const templates = ['a1', 'a2'].map((uid) => labelManifest(workload(), { ...web, uid })['spec']);
  expect(templates[0]).not.toEqual(templates[1]);
});

test('what is applied names the object, the label, whose it is, and nothing else', () => {
  const metadata = { namespace: 'acme', name: 'web', uid: 'w1' };
  const labels = { 'sshaccess.dev/access': 'web' };
  const annotations = { 'sshaccess.dev/labelled-for': 'a1' };
  expect(labelManifest(workload(), web)).toEqual({
    metadata,
    spec: { template: { metadata: { labels, annotations } } },
  });
  expect(releaseManifest(workload({ label: 'web' }))).toEqual({ metadata });
  expect(
    labelManifest(workload(), { ...web, settings: { 'sshaccess.dev/process-namespace': 'Isolated' } }),
  ).toMatchObject({
    spec: {
      template: { metadata: { annotations: { ...annotations, 'sshaccess.dev/process-namespace': 'Isolated' } } },
    },
  });
  // Left out, it would be taken away, which would roll the pods.
  expect(labelManifest(workload({ rolledAt: 'then' }), web)).toMatchObject({
    spec: { template: { metadata: { annotations: { 'sshaccess.dev/rolled-at': 'then' } } } },
  });
});
