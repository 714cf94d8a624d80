/** Pure: what the pods say about whether ssh is in them. */
import { isLastingSkip, LASTING_SKIPS, skipSettings, type Role, type SshAccess } from '../crds/index.ts';
import type { AccessPod } from './access-pod.ts';
import { finding, type Finding, type Restart } from './findings.ts';
import { insistenceNotes } from './process-namespace.ts';
import { outdatedBy } from './outdated-pods.ts';
import { describeWorkload, type Workload } from './workload.ts';

const MAX_NAMED = 5;

/**
 * The first of: the problem of the target, no pods, pods without ssh, pods of an earlier spec, pods that can have none; else all
 * is well.
 */
export function injectionFinding(
  pods: readonly AccessPod[],
  workload: Workload | undefined,
  problem: Finding | undefined,
  spec: SshAccess['spec'],
): Finding {
  if (problem !== undefined) return problem;
  if (pods.length === 0) return absence(workload);
  const cure = cureOf(workload);
  const missed = missedAmong(pods, spec);
  if (missed.length > 0) {
    const isRepeated = missed.some(({ createdAt }) => isSinceRoll(createdAt, workload));
    return notInjected(missed, workload, isRepeated ? 'again' : 'yours');
  }
  const notes = insistenceNotes(pods.filter(({ main }) => main === undefined));
  const outdated = pods.flatMap((pod) => {
    const because = outdatedBy(pod, spec);
    return because === undefined ? [] : [{ name: pod.name, because }];
  });
  const [first] = outdated;
  if (first !== undefined)
    return finding('PodsOutdated', nameSome(outdated.map(({ name }) => name)), first.because, cure, notes);
  return skipFinding(pods, cure) ?? finding('PodsInjected', pods.length, notes);
}

/** Those that were started without ssh, and would not be again: for this spec the webhook has not said so. */
export const missedAmong = (pods: readonly AccessPod[], spec: SshAccess['spec']): readonly AccessPod[] =>
  pods.filter(({ record, skipped }) => record === undefined && skipped?.settings !== skipSettings(spec));

/** Of those that the webhook leaves alone, in its words: to make them anew would change nothing. */
function skipFinding(pods: readonly AccessPod[], cure: string): Finding | undefined {
  const skips = pods.flatMap(({ name, skipped }) => (skipped === undefined ? [] : [{ name, reason: skipped.reason }]));
  const [first] = skips;
  if (first === undefined) return undefined;
  const names = nameSome(skips.filter(({ reason }) => reason === first.reason).map(({ name }) => name));
  const why = isLastingSkip(first.reason) ? LASTING_SKIPS[first.reason] : first.reason;
  return finding('PodsSkipped', names, why, cure);
}

/** @param restart whose turn it is to make them anew */
export const notInjected = (missed: readonly AccessPod[], workload: Workload | undefined, restart: Restart): Finding =>
  finding('PodsNotInjected', nameSome(missed.map(({ name }) => name)), cureOf(workload), restart);

/** Pods tell whole seconds. */
function isSinceRoll(createdAt: string, workload: Workload | undefined): boolean {
  const rolledAt = workload?.rolledAt === undefined ? Infinity : Date.parse(workload.rolledAt);
  return Date.parse(createdAt) >= Math.floor(rolledAt / 1_000) * 1_000;
}

/** How pods are made anew. */
export function cureOf(workload: Workload | undefined): string {
  if (workload?.kind === 'Job') return 'delete the Job and create it anew';
  if (workload?.kind === 'CronJob') return 'wait for its next Job, or delete the running one';
  if (workload?.rollout === 'on-delete') return `delete them (${deletePods(workload)})`;
  const target = workload === undefined ? '' : ` -n ${workload.namespace} ${describeWorkload(workload)}`;
  if (workload?.rollout === 'paused') return `resume it (kubectl rollout resume${target})`;
  return `restart them (kubectl rollout restart${target})`;
}

const deletePods = ({ namespace, selector }: Workload): string =>
  `kubectl delete pods -n ${namespace} ${selector === undefined ? '<their names>' : `-l ${selector}`}`;

/** Why there are no pods. */
function absence(workload: Workload | undefined): Finding {
  if (workload === undefined) return finding('WaitingForPods', 'the target');
  const target = describeWorkload(workload);
  if (workload.phase === 'scaled-to-zero') return finding('ScaledToZero', target);
  if (workload.phase === 'suspended') return finding('Suspended', target);
  if (workload.phase === 'ended') return finding('JobEnded', target);
  if (workload.rollout === 'paused') return finding('Paused', target, workload.namespace);
  if (workload.rollout === 'on-delete' && workload.hasPods) return finding('PodsKept', target, deletePods(workload));
  return workload.kind === 'CronJob' ? finding('WaitingForJob', target) : finding('WaitingForPods', target);
}

/** Few enough for a sentence. */
export function nameSome(names: readonly string[]): string {
  const named = names.toSorted().slice(0, MAX_NAMED).join(', ');
  return names.length > MAX_NAMED ? `${named} and ${names.length - MAX_NAMED} more` : named;
}

/**
 * What sessions run as, in the webhook's words (webhook/security-context.ts); undefined: no pod has told yet. sshd in a
 * main_container is not root, so everybody is who it is: root and limited alike.
 */
export function effectiveUser(
  { role, uidOffset }: { role: Role; uidOffset: number },
  record: AccessPod['record'],
  account?: string,
): string | undefined {
  if (record === undefined) return undefined;
  if (isRoleImpossible(role, record)) return 'none: not possible at this Pod Security level';
  if (account !== undefined) return `${account} of the image (shared)`;
  const isShared = record.runtime === 'main_container';
  const { rootUid, limitedUid } = record;
  const uid = role === 'limited' && limitedUid !== null && !isShared ? limitedUid + uidOffset : rootUid;
  return `${uid === null ? 'uid of the app' : `uid ${uid}`}${isShared ? ' (shared)' : ''}`;
}

/** The sidecar refuses the role, whoever asserts it. */
export const isRoleImpossible = (role: Role, record: AccessPod['record']): boolean =>
  role === 'limited' && record?.runtime === 'sidecar' && record.limitedUid === null;
