/** Pure: what was found → status. */
import { SSH_PORT, type KeyStatus, type SshAccessStatus, type UserStatus } from '../crds/index.ts';
import { setCondition, type Condition } from '../lib/kube/conditions.ts';
import type { AccessPod } from './access-pod.ts';
import type { CachedAccess } from './cached-access.ts';
import type { Finding, Reason } from './findings.ts';
import { finding } from './findings.ts';
import { effectiveUser, isRoleImpossible } from './injection.ts';
import type { RequestedUser } from './requested-users.ts';
import type { Serving } from './serving.ts';
import { SSHD_CONDITION_TYPES } from './sshd-conditions.ts';

const MAX_PODS = 50;
const MAX_MESSAGE = 4_096;

/** A user, and whether they may log in now. */
export type Verdict = {
  readonly user: RequestedUser;
  readonly fingerprints: readonly string[];
  readonly described: readonly KeyStatus[];
  readonly mayLogIn: boolean;
};

/** Everything that status tells, found by the reconciler. */
export type Outcome = {
  readonly enabled: boolean;
  /** The end of everybody's access, where that is over. */
  readonly expiredAt: string | undefined;
  readonly endpoint: { host: string | undefined; port: number };
  readonly users: readonly Verdict[];
  readonly keyProblems: readonly Finding[];
  readonly nameProblems: readonly Finding[];
  /** One of our objects cannot be made. */
  readonly objectProblem: Finding | undefined;
  readonly injection: Finding;
  readonly pods: readonly AccessPod[];
  readonly serving: Serving;
  /** Why nobody gets into those of them that have an sshd of their own. */
  readonly sshdProblems: readonly Finding[];
  readonly sshdConditions: readonly Judgement[];
  /** What is to be said of keys that are being rotated; undefined: none ever was. */
  readonly rotations: readonly Finding[] | undefined;
};

type ConditionType = 'Ready' | 'KeysValid' | 'UsernamesOwned' | 'Injected' | OptionalType;
/** Conditions that are there only where there is something to say. */
const OPTIONAL_TYPES = [...SSHD_CONDITION_TYPES, 'KeysRotated'] as const;
type OptionalType = (typeof OPTIONAL_TYPES)[number];

export const CONDITION_TYPES: ReadonlySet<string> = new Set<ConditionType>([
  'Ready',
  'KeysValid',
  'UsernamesOwned',
  'Injected',
  ...OPTIONAL_TYPES,
]);

type Judgement = { readonly type: ConditionType; readonly holds: boolean; readonly finding: Finding };

export function desiredStatus(cached: CachedAccess, outcome: Outcome, now: Date): SshAccessStatus {
  const { endpoint, pods, serving, users } = outcome;
  const record = speakerOf(serving)?.record;
  const judgements = judge(outcome);
  const listed = pods.toSorted((left, right) => (left.name < right.name ? -1 : 1)).slice(0, MAX_PODS);
  return {
    observedGeneration: cached.metadata.generation,
    conditions: conditions(cached, judgements, now).filter(
      ({ type }) => !isOptional(type) || judgements.some((judged) => judged.type === type),
    ),
    ...(endpoint.host === undefined ? {} : { endpoint: { host: endpoint.host, port: endpoint.port } }),
    runtime: record?.runtime ?? serving.runtime,
    ...(record === undefined ? {} : { sessionEntry: record.sessionEntry }),
    ...primaryOf(users),
    users: users.map((verdict) => userStatus(verdict, endpoint, { record, account: serving.account })),
    pods: listed.map((pod) => ({ name: pod.name, ready: reaches(serving, pod) })),
  };
}

const isOptional = (type: string): boolean => OPTIONAL_TYPES.some((known) => known === type);

/** Users get into it: it is ready, and the route speaks to its kind. */
const reaches = ({ pods }: Serving, pod: AccessPod): boolean =>
  pods.some(({ name, isReady }) => isReady && name === pod.name);

/** Whose record stands for all: a ready one, and of two kinds that of the route. */
const speakerOf = ({ pods, runtime }: Serving): AccessPod | undefined =>
  pods.find(({ isReady, record }) => isReady && record?.runtime === runtime) ??
  pods.find(({ isReady }) => isReady) ??
  pods[0];

/** Status of an SshAccess that does not parse or cannot be served: only Ready changes. */
export function failedStatus(cached: CachedAccess, problem: Finding, now: Date): SshAccessStatus {
  const ready: Judgement = { type: 'Ready', holds: false, finding: problem };
  return {
    ...cached.status,
    observedGeneration: cached.metadata.generation,
    conditions: conditions(cached, [ready], now),
  };
}

function conditions(cached: CachedAccess, judgements: readonly Judgement[], now: Date): Condition[] {
  return judgements.reduce<Condition[]>(
    (all, judgement) =>
      setCondition(
        all,
        {
          type: judgement.type,
          status: judgement.holds ? 'True' : 'False',
          reason: judgement.finding.reason,
          message: judgement.finding.message.slice(0, MAX_MESSAGE),
          observedGeneration: cached.metadata.generation,
        },
        now,
      ),
    cached.status.conditions ?? [],
  );
}

function judge(outcome: Outcome): Judgement[] {
  const { keyProblems, nameProblems, injection, rotations } = outcome;
  const ready = readiness(outcome);
  return [
    { type: 'Ready', holds: ready.reason === 'SshReady', finding: ready },
    { type: 'KeysValid', holds: keyProblems.length === 0, finding: summary(keyProblems, finding('AllKeysValid')) },
    {
      type: 'UsernamesOwned',
      holds: nameProblems.length === 0,
      finding: summary(nameProblems, finding('AllUsernamesOwned')),
    },
    { type: 'Injected', holds: injection.reason === 'PodsInjected', finding: injection },
    ...outcome.sshdConditions,
    ...(rotations === undefined ? [] : [keysRotated(rotations)]),
  ];
}

const keysRotated = (rotations: readonly Finding[]): Judgement => ({
  type: 'KeysRotated',
  holds: rotations.length === 0,
  finding: summary(rotations, finding('KeysRotated')),
});

/** Reasons of Injected that mean that there is nothing to wait for until somebody acts. */
const BLOCKING: ReadonlySet<Reason> = new Set<Reason>([
  'TargetNotFound',
  'ContainerNotFound',
  'TargetTaken',
  'LabelMissing',
  'ScaledToZero',
  'Suspended',
  'JobEnded',
  'JobNotLabelled',
  'TargetControlled',
]);

/** Ready: somebody may log in, and at least one pod takes them. */
function readiness({
  enabled,
  expiredAt,
  users,
  objectProblem,
  injection,
  pods,
  serving,
  sshdProblems,
}: Outcome): Finding {
  if (!enabled) return finding('Disabled');
  if (expiredAt !== undefined) return finding('Expired', expiredAt);
  if (objectProblem !== undefined) return objectProblem;
  if (!users.some(({ mayLogIn }) => mayLogIn)) return finding('NobodyCanLogIn');
  if (BLOCKING.has(injection.reason)) return injection;
  const ready = serving.pods.filter(({ isReady }) => isReady);
  const mayLogIn = users.filter((verdict) => verdict.mayLogIn).map(({ user }) => user);
  const refused = mayLogIn.filter(({ role }) => isRoleImpossible(role, speakerOf(serving)?.record));
  const names = refused.map(({ username }) => username).join(', ');
  if (refused.length === mayLogIn.length) return finding('LimitedNotPossible', names);
  const [problem] = sshdProblems;
  const notes = problem === undefined ? [] : [problem.message];
  if (ready.length > 0) return finding('SshReady', ready.length, pods.length, names, notes);
  if (problem !== undefined) return problem;
  const [first] = serving.pods;
  if (first === undefined) return injection;
  const waiting = serving.pods.find((pod) => pod.waiting !== '') ?? first;
  return finding('SshNotReady', `${waiting.name}: ${waiting.waiting === '' ? 'starting' : waiting.waiting}`);
}

/** The first problem gives the reason; the message has them all. */
function summary(problems: readonly Finding[], fine: Finding): Finding {
  const [first] = problems;
  if (first === undefined) return fine;
  return { reason: first.reason, message: problems.map(({ message }) => message).join('\n') };
}

const primaryOf = (users: readonly Verdict[]): { primaryUser?: string } => {
  const primary = users.find(({ user }) => user.isPrimary);
  return primary === undefined ? {} : { primaryUser: primary.user.username };
};

function userStatus(
  { user, fingerprints, described, mayLogIn }: Verdict,
  endpoint: Outcome['endpoint'],
  { record, account }: { record: AccessPod['record']; account: string | undefined },
): UserStatus {
  const uid = effectiveUser(user, record, account);
  const isServed = mayLogIn && !isRoleImpossible(user.role, record);
  return {
    username: user.username,
    access: user.role,
    ...(uid === undefined ? {} : { effectiveUser: uid }),
    fingerprints: [...fingerprints],
    keys: [...described],
    ...(user.expiresAt === undefined ? {} : { expiresAt: user.expiresAt }),
    ...(isServed ? { command: loginCommand(user.username, endpoint) } : {}),
  };
}

export function loginCommand(username: string, { host, port }: Outcome['endpoint']): string {
  return `ssh -i <your-private-key> -p ${port || SSH_PORT} ${username}@${host ?? '<host>'}`;
}
