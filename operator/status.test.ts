import { expect, test } from 'vitest';
import { DEFAULT_POLICIES } from '../crds/index.ts';
import type { AccessPod } from './access-pod.ts';
import { finding, type Finding } from './findings.ts';
import { effectiveUser, injectionFinding } from './injection.ts';
import { servingOf } from './serving.ts';
import { desiredStatus, failedStatus, loginCommand, type Outcome } from './status.ts';
import { conditionStory, routeStory } from './story.ts';
import { access, cachedAccess, mainPod, mainRecord, pod, record, workload } from './testing/samples.ts';
import type { Workload } from './workload.ts';

const now = new Date('2026-01-01T00:00:00Z');
const user = {
  username: 'acme-web',
  role: 'root',
  uidOffset: 0,
  secretName: 'k',
  expiresAt: undefined,
  isPrimary: true,
} as const;
const alice = { user, fingerprints: ['SHA256:a'], described: [{ fingerprint: 'SHA256:a' }], mayLogIn: true };

function outcome({ pods = [pod('web-1')], ...changes }: Partial<Outcome> = {}): Outcome {
  return {
    enabled: true,
    expiredAt: undefined,
    endpoint: { host: 'ssh.example.com', port: 2222 },
    users: [alice],
    keyProblems: [],
    nameProblems: [],
    objectProblem: undefined,
    injection: finding('PodsInjected', 1),
    pods,
    serving: servingOf({ runtime: 'sidecar' }, pods, undefined),
    sshdProblems: [],
    sshdConditions: [],
    rotations: undefined,
    ...changes,
  };
}
const conditions = (changes: Partial<Outcome> = {}) => desiredStatus(cachedAccess(), outcome(changes), now).conditions;
const ready = (changes: Partial<Outcome> = {}) => conditions(changes)?.find(({ type }) => type === 'Ready');

test('all is well: the whole status', () => {
  expect(desiredStatus(cachedAccess(), outcome(), now)).toEqual({
    observedGeneration: 3,
    conditions: ['Ready', 'KeysValid', 'UsernamesOwned', 'Injected'].map((type) =>
      expect.objectContaining({
        type,
        status: 'True',
        observedGeneration: 3,
        lastTransitionTime: '2026-01-01T00:00:00Z',
      }),
    ),
    endpoint: { host: 'ssh.example.com', port: 2222 },
    runtime: 'sidecar',
    sessionEntry: 'chroot',
    primaryUser: 'acme-web',
    users: [
      {
        username: 'acme-web',
        access: 'root',
        effectiveUser: 'uid 0',
        fingerprints: ['SHA256:a'],
        keys: [{ fingerprint: 'SHA256:a' }],
        command: 'ssh -i <your-private-key> -p 2222 acme-web@ssh.example.com',
      },
    ],
    pods: [{ name: 'web-1', ready: true }],
  });
});

const nobody = [{ ...alice, mayLogIn: false }];
const starting = pod('web-1', { isReady: false, waiting: 'ImagePullBackOff: no such image' });
const missed = pod('web-2', { record: undefined, isReady: false });

test.each([
  ['disabled', { enabled: false }, 'Disabled'],
  ['over', { expiredAt: '2026-01-01T00:00:00Z', users: nobody }, 'Expired'],
  ['an object of ours cannot be made', { objectProblem: finding('NameTaken', 'Secret', 'x') }, 'NameTaken'],
  ['nobody may log in', { users: nobody }, 'NobodyCanLogIn'],
  ['no target', { injection: finding('TargetNotFound', 'deployment/web'), pods: [] }, 'TargetNotFound'],
  ['no pods yet', { injection: finding('WaitingForPods', 'deployment/web'), pods: [] }, 'WaitingForPods'],
  ['sidecar not ready', { pods: [starting] }, 'SshNotReady'],
  [
    'only pods without ssh',
    { injection: finding('PodsNotInjected', 'web-2', 'restart them'), pods: [missed] },
    'PodsNotInjected',
  ],
  [
    'one of two pods',
    { injection: finding('PodsNotInjected', 'web-2', 'restart them'), pods: [missed, pod('web-1')] },
    'SshReady',
  ],
  ['keys of one user are bad, others work', { keyProblems: [finding('NoKeys', 'u', 's')] }, 'SshReady'],
])('Ready when %s', (_, changes, reason) => {
  expect(ready(changes)).toMatchObject({ reason, status: reason === 'SshReady' ? 'True' : 'False' });
});

test('a sidecar that does not start says why in the kubelet’s words', () => {
  expect(ready({ pods: [starting] })?.message).toContain('web-1: ImagePullBackOff: no such image');
});

test('the first problem gives the reason, the message has them all', () => {
  const problems = [finding('KeySecretNotFound', 'u1', 's1'), finding('NoKeys', 'u2', 's2')];
  const condition = conditions({ keyProblems: problems })?.find(({ type }) => type === 'KeysValid');
  expect(condition).toMatchObject({ status: 'False', reason: 'KeySecretNotFound' });
  expect(condition?.message.split('\n')).toHaveLength(2);
});

test('pods are sorted, and at most fifty', () => {
  const pods = Array.from({ length: 60 }, (__, index) => pod(`web-${String(99 - index)}`));
  const listed = desiredStatus(cachedAccess(), outcome({ pods }), now).pods ?? [];
  expect(listed).toHaveLength(50);
  expect(listed[0]?.name).toBe('web-40');
});

test('twice the same is the same', () => {
  const first = desiredStatus(cachedAccess(), outcome(), now);
  const second = desiredStatus(cachedAccess({}, first), outcome(), new Date(now.getTime() + 60_000));
  expect(second).toEqual(first);
});

test('a spec that does not parse changes Ready and keeps the rest', () => {
  const before = desiredStatus(cachedAccess(), outcome(), now);
  const after = failedStatus(cachedAccess({}, before), finding('InvalidSpec', 'x'), now);
  expect(after.users).toEqual(before.users);
  expect(after.conditions?.map(({ reason }) => reason)).toEqual([
    'InvalidSpec',
    'AllKeysValid',
    'AllUsernamesOwned',
    'PodsInjected',
  ]);
});

test('no endpoint yet, no users: commands and fields say so', () => {
  expect(loginCommand('acme-web', { host: undefined, port: 22 })).toBe(
    'ssh -i <your-private-key> -p 22 acme-web@<host>',
  );
  const status = desiredStatus(
    cachedAccess(),
    outcome({ endpoint: { host: undefined, port: 22 }, users: nobody }),
    now,
  );
  expect(status.endpoint).toBeUndefined();
  expect(status.users?.[0]?.command).toBeUndefined();
});

test('the uid of a session', () => {
  expect(effectiveUser({ role: 'root', uidOffset: 7 }, record)).toBe('uid 0');
  expect(effectiveUser({ role: 'root', uidOffset: 7 }, { ...record, rootUid: 1000 })).toBe('uid 1000');
  expect(effectiveUser({ role: 'root', uidOffset: 7 }, { ...record, rootUid: null })).toBe('uid of the app');
  expect(effectiveUser({ role: 'limited', uidOffset: 7 }, record)).toBe('uid 61007');
  expect(
    effectiveUser({ role: 'limited', uidOffset: 7 }, { ...record, sessionEntry: 'toolbox', limitedUid: 62_000 }),
  ).toBe('uid 62007');
  expect(effectiveUser({ role: 'limited', uidOffset: 7 }, { ...record, limitedUid: null })).toBe(
    'none: not possible at this Pod Security level',
  );
  expect(effectiveUser({ role: 'root', uidOffset: 7 }, undefined)).toBeUndefined();
});

test('the uid of a session in a main_container is one for all', () => {
  const main = mainRecord();
  expect(effectiveUser({ role: 'root', uidOffset: 0 }, main)).toBe('uid 1000 (shared)');
  expect(effectiveUser({ role: 'limited', uidOffset: 7 }, main)).toBe('uid 1000 (shared)');
  expect(effectiveUser({ role: 'limited', uidOffset: 7 }, { ...main, limitedUid: 61_000 })).toBe('uid 1000 (shared)');
  expect(effectiveUser({ role: 'limited', uidOffset: 7 }, { ...main, rootUid: null })).toBe('uid of the app (shared)');
  expect(effectiveUser({ role: 'limited', uidOffset: 7 }, main, 'deploy')).toBe('deploy of the image (shared)');
});

test('status of a main_container', () => {
  const dev = { ...alice, user: { ...user, username: 'acme-web-dev', role: 'limited', isPrimary: false } as const };
  const pods = [mainPod('web-1'), pod('web-0')];
  const serving = servingOf({ runtime: 'main_container' }, pods, undefined);
  const status = desiredStatus(cachedAccess(), outcome({ pods, serving, users: [alice, dev] }), now);
  expect(status).toMatchObject({ runtime: 'main_container', sessionEntry: 'sshd' });
  expect(status.users?.map(({ effectiveUser: uid, command }) => [uid, command !== undefined])).toEqual([
    ['uid 1000 (shared)', true],
    ['uid 1000 (shared)', true],
  ]);
  expect(status.pods).toEqual([
    { name: 'web-0', ready: true },
    { name: 'web-1', ready: true },
  ]);
  // Back again: the piper lets nobody into the other any more.
  const back = servingOf({ runtime: 'sidecar' }, pods, undefined);
  expect(desiredStatus(cachedAccess(), outcome({ pods, serving: back }), now)).toMatchObject({
    runtime: 'sidecar',
    users: [{ effectiveUser: 'uid 0' }],
    pods: [{ ready: true }, { ready: false }],
  });
});

test('where limited is not possible, it is told who cannot log in', () => {
  const dev = { ...alice, user: { ...user, username: 'acme-web-dev', role: 'limited', isPrimary: false } as const };
  const pods = [pod('web-1', { record: { ...record, sessionEntry: 'toolbox', rootUid: 1000, limitedUid: null } })];
  const both = outcome({ pods, users: [alice, dev] });
  expect(ready(both)).toMatchObject({
    status: 'True',
    message: expect.stringMatching(/1 pods; but not for acme-web-dev: /),
  });
  expect(desiredStatus(cachedAccess(), both, now).users).toMatchObject([
    { effectiveUser: 'uid 1000', command: expect.stringContaining('acme-web@') },
    expect.not.objectContaining({ command: expect.anything() }),
  ]);
  expect(ready({ pods, users: [dev] })).toMatchObject({ status: 'False', reason: 'LimitedNotPossible' });
});

test('injection, told from the pods', () => {
  const { spec } = access();
  const reason = (pods: AccessPod[], target: Workload, problem?: Finding, asked = spec) =>
    injectionFinding(pods, target, problem, asked).reason;
  expect(reason([], workload(), undefined)).toBe('WaitingForPods');
  expect(reason([], workload({ phase: 'scaled-to-zero' }), undefined)).toBe('ScaledToZero');
  expect(reason([], workload({ kind: 'Job', phase: 'ended' }), undefined)).toBe('JobEnded');
  expect(reason([], workload({ kind: 'Job', phase: 'suspended' }), undefined)).toBe('Suspended');
  expect(reason([], workload({ kind: 'CronJob' }), undefined)).toBe('WaitingForJob');
  expect(reason([pod('a')], workload(), undefined)).toBe('PodsInjected');
  expect(reason([pod('a')], workload(), undefined, { ...spec, processNamespace: 'Isolated' })).toBe('PodsOutdated');
  expect(reason([pod('a')], workload(), finding('TargetTaken', 't', 'x'))).toBe('TargetTaken');
  const many = Array.from({ length: 7 }, (__, index) => pod(`p${index}`, { record: undefined }));
  expect(injectionFinding(many, workload(), undefined, spec).message).toContain('p0, p1, p2, p3, p4 and 2 more');
});

test('of pods that were missed again after a roll it is said', () => {
  const rolled = workload({ rolledAt: '2026-01-01T10:00:00.500Z' });
  // Who reads the condition learns that another roll would not help.
  const message = (createdAt: string) =>
    injectionFinding([pod('a', { record: undefined, createdAt })], rolled, undefined, access().spec).message;
  expect(message('2026-01-01T09:59:59Z')).not.toContain('restarted for it before');
  expect(message('2026-01-01T10:00:00Z')).toContain('restarted for it before: a; the log of the webhook');
});

test('Events tell what changed, once, and good news only after bad', () => {
  const bad = desiredStatus(cachedAccess(), outcome({ keyProblems: [finding('NoKeys', 'u', 's')] }), now);
  const good = desiredStatus(cachedAccess(), outcome(), now);
  const reasons = (...parameters: Parameters<typeof conditionStory>) =>
    conditionStory(...parameters).map(({ reason }) => reason);
  expect(reasons({}, good)).toEqual(['SshReady', 'PodsInjected']);
  expect(reasons(good, bad)).toEqual(['NoKeys']);
  expect(reasons(bad, good)).toEqual(['AllKeysValid']);
  expect(reasons(good, good)).toEqual([]);
});

test('RouteUpdated names who came and who went', () => {
  const routeOf = (...users: [string, string[]][]) => ({
    version: 1 as const,
    namespace: 'acme',
    name: 'web',
    uid: 'u1',
    enabled: true,
    service: 's',
    port: 2222,
    runtime: 'sidecar' as const,
    hostKeys: ['h'],
    users: users.map(([username, authorizedKeys]) => ({
      username,
      role: 'root' as const,
      authorizedKeys,
      policy: DEFAULT_POLICIES.root,
      uidOffset: 0,
    })),
  });
  const [found] = routeStory(routeOf(['a', ['1']], ['b', ['1']]), routeOf(['b', ['2']], ['c', ['1']]));
  expect(found?.message).toBe('may log in now: c; may no longer log in: a; keys, role, policy or expiry changed: b');
  expect(routeStory(routeOf(['a', []]), routeOf(['a', []]))).toEqual([]);
});
