import { describe, expect, test } from 'vitest';
import type { InjectionRecord } from '../crds/index.ts';
import { parsePod } from './access-pod.ts';
import { insistenceNotes, isIsolatedOtherwise } from './process-namespace.ts';
import { pod, record } from './testing/samples.ts';

const because = (processNamespaceReason: InjectionRecord['processNamespaceReason'], sharesProcesses: boolean) =>
  pod('web-1', { sharesProcesses, record: { ...record, processNamespaceReason } });

test.each([
  ['nothing was asked, nothing is', because('default', true), undefined, false],
  ['Isolated is new', because('default', true), 'Isolated', true],
  ['an earlier version did not say why', because(undefined, true), 'Isolated', true],
  ['Isolated has come', because('ssh-access', false), 'Isolated', false],
  ['Isolated is gone', because('ssh-access', false), undefined, true],
  ['it is Shared now', because('ssh-access', false), 'Shared', true],
  ['we kept it isolated', because('insists-on-pid-1', false), undefined, false],
  ['we kept it isolated, and somebody knows better', because('insists-on-pid-1', false), 'Shared', true],
  ['the template says true', because('pod-spec', true), 'Isolated', false],
  ['the template says false', because('pod-spec', false), 'Shared', false],
  ['it has no ssh at all', pod('web-1', { record: undefined }), 'Isolated', false],
] as const)('a pod is of an earlier spec: %s', (_case, subject, asked, expected) => {
  expect(isIsolatedOtherwise(subject, asked)).toBe(expected);
});

describe('the hint', () => {
  /** A pod as the kubelet tells of it. */
  const parsed = (last: object, restartCount = 3, shareProcessNamespace = true) =>
    parsePod({
      metadata: {
        name: 'web-1',
        namespace: 'acme',
        uid: 'u1',
        labels: { 'sshaccess.dev/access': 'web' },
        annotations: { 'sshaccess.dev/injected': JSON.stringify({ ...record, processNamespaceReason: 'default' }) },
      },
      spec: { shareProcessNamespace },
      status: { containerStatuses: [{ name: 'app', restartCount, lastState: { terminated: last } }] },
    });
  const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, '0')}Z`;
  const ended = (exitCode: number, seconds = 1) => ({ exitCode, startedAt: at(0), finishedAt: at(seconds) });
  const hints = (subject: ReturnType<typeof parsed>) => insistenceNotes(subject === undefined ? [] : [subject]);

  test.each([100, 1])('a container that ends at once with code %i may insist', (code) => {
    expect(hints(parsed(ended(code)))).toEqual([
      expect.stringMatching(
        /^container app of web-1 ends as soon as it starts .*set spec\.processNamespace: Isolated$/,
      ),
    ]);
  });
  test.each([
    ['it ended with another code', parsed(ended(137))],
    ['it lived', parsed(ended(1, 30))],
    ['it was restarted once', parsed(ended(1), 1)],
    ['it is process 1 already', parsed(ended(100), 3, false)],
  ])('no hint where %s', (_case, subject) => {
    expect(hints(subject)).toEqual([]);
  });
});

test('that we kept it isolated by ourselves is told', () => {
  expect(insistenceNotes([because('insists-on-pid-1', false)])).toEqual([
    expect.stringMatching(/insists on being process 1, .*sessions open in the toolbox/),
  ]);
});
