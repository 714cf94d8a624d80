/** Pure: whether users are kept out for the one reason that the pods are still those of before. */
import type { AccessPod } from './access-pod.ts';
import type { Workload } from './workload.ts';

/**
 * The workload runs, and none of its pods has ssh in it. A CronJob has no pods between its Jobs: that is no roll to wait
 * for.
 */
export function awaitsRollout(pods: readonly AccessPod[], workload: Workload | undefined): boolean {
  if (workload === undefined || workload.kind === 'CronJob' || workload.phase !== 'active') return false;
  return pods.every(({ record }) => record === undefined);
}
