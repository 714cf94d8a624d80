/** Pure: when pods that were started without ssh, because the webhook was not asked, are rolled once more. */
import type { AccessPod } from './access-pod.ts';
import type { Workload } from './workload.ts';

/**
 * How long after the last roll the next one comes, for one cause: there are as many rolls as entries, and then no more. What
 * keeps ssh out of pods for good would of the next as well, and each roll is a disturbance of somebody's service.
 */
export const ROLL_AFTER_MS: readonly number[] = [0, 30_000, 120_000, 600_000];
/** So long after the last roll, pods that are missed are a cause of their own, if all had ssh in between. */
export const CALM_MS = 900_000;
/** Kubernetes tells in whole seconds when a pod was made. */
const SECOND_MS = 1_000;

export type NextRoll =
  /** `attempt`: the how manieth for this cause. */
  | { readonly step: 'roll'; readonly at: number; readonly attempt: number }
  /** They are from before the last roll, which replaces them. */
  | { readonly step: 'under-way' }
  | { readonly step: 'given-up' };

/** @param injectedSince when the condition Injected became what it is, which is not True */
export function nextRoll(
  { rolledAt, rollAttempt }: Pick<Workload, 'rolledAt' | 'rollAttempt'>,
  missed: readonly Pick<AccessPod, 'createdAt'>[],
  injectedSince: string | undefined,
): NextRoll {
  const rolled = rolledAt === undefined ? Number.NEGATIVE_INFINITY : Date.parse(rolledAt);
  const times = missed.map(({ createdAt }) => Date.parse(createdAt));
  const latest = Math.max(...times.filter((time) => time >= inSeconds(rolled)));
  if (latest === Number.NEGATIVE_INFINITY) return { step: 'under-way' };
  // Else nobody could tell them from those that the roll makes.
  const at = (time: number): number => Math.max(time, inSeconds(latest) + SECOND_MS);
  const isNewCause = injectedSince !== undefined && Date.parse(injectedSince) > rolled;
  const delayMs = ROLL_AFTER_MS[rollAttempt];
  if (rolledAt === undefined) return { step: 'roll', at: at(0), attempt: 1 };
  if (isNewCause && latest >= rolled + CALM_MS) return { step: 'roll', at: at(0), attempt: 1 };
  if (delayMs !== undefined) return { step: 'roll', at: at(rolled + delayMs), attempt: rollAttempt + 1 };
  return isNewCause ? { step: 'roll', at: at(rolled + CALM_MS), attempt: 1 } : { step: 'given-up' };
}

const inSeconds = (time: number): number => Math.floor(time / SECOND_MS) * SECOND_MS;
