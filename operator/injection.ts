/** Pure: what the pods say about whether ssh is in them. */
import type { Role } from '../crds/index.ts';
import type { AccessPod } from './access-pod.ts';
import { finding, type Finding } from './findings.ts';
import { describeWorkload, type Workload } from './workload.ts';

const MAX_NAMED = 5;

/** The first of the problem of the target, no pods, pods without ssh; else all is well. */
export function injectionFinding(
  pods: readonly AccessPod[],
  workload: Workload | undefined,
  problem: Finding | undefined,
): Finding {
  if (problem !== undefined) return problem;
  const target = workload === undefined ? 'the target' : describeWorkload(workload);
  if (pods.length === 0) {
    return workload?.isScaledToZero === true ? finding('ScaledToZero', target) : finding('WaitingForPods', target);
  }
  const missed = pods.filter(({ record }) => record === undefined).map(({ name }) => name);
  if (missed.length > 0) return finding('PodsNotInjected', nameSome(missed));
  return finding('PodsInjected', pods.length);
}

function nameSome(names: readonly string[]): string {
  const named = names.toSorted().slice(0, MAX_NAMED).join(', ');
  return names.length > MAX_NAMED ? `${named} and ${names.length - MAX_NAMED} more` : named;
}

/** What sessions run as, in the webhook's words (webhook/security-context.ts); undefined: no pod has told yet. */
export function effectiveUser(
  { role, uidOffset }: { role: Role; uidOffset: number },
  record: AccessPod['record'],
): string | undefined {
  if (record === undefined) return undefined;
  if (isRoleImpossible(role, record)) return 'none: not possible at this Pod Security level';
  const uid = role === 'limited' && record.limitedUid !== null ? record.limitedUid + uidOffset : record.rootUid;
  return uid === null ? 'uid of the app' : `uid ${uid}`;
}

/** The sidecar refuses the role, whoever asserts it. */
export const isRoleImpossible = (role: Role, record: AccessPod['record']): boolean =>
  role === 'limited' && record?.limitedUid === null;

/**
 * Pods that were started without ssh (the webhook was down) are rolled once per cause: when Injected became False after
 * the last time that we rolled. A roll that did not help is not repeated until a good one came between.
 */
export function mayRollAgain(workload: Workload, injectedSince: string | undefined): boolean {
  if (workload.rolledAt === undefined) return true;
  return injectedSince !== undefined && Date.parse(injectedSince) > Date.parse(workload.rolledAt);
}
