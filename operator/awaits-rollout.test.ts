import { expect, test } from 'vitest';
import { awaitsRollout } from './awaits-rollout.ts';
import { pod, workload } from './testing/samples.ts';

const before = { record: undefined };

test.each([
  ['no pod that is labelled', [], {}, true],
  ['pods that the webhook has not seen', [pod('web-1', before), pod('web-2', before)], {}, true],
  ['one pod that has ssh', [pod('web-1', before), pod('web-2')], {}, false],
  ['a Job that began before', [], { kind: 'Job' }, true],
  ['a CronJob between its Jobs', [], { kind: 'CronJob' }, false],
  ['a workload that has no pods by will', [], { phase: 'scaled-to-zero' }, false],
  ['a Job that is over', [], { kind: 'Job', phase: 'ended' }, false],
] as const)('%s', (_, pods, changes, expected) => {
  expect(awaitsRollout(pods, workload(changes))).toBe(expected);
});

test('a target that is not there has no pods to replace', () => {
  expect(awaitsRollout([], undefined)).toBe(false);
});
