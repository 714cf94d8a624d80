/** Pure but for the prober that it is given: the pods of an SshAccess, as the kubelet and the prober see them. */
import type { AccessPod } from './access-pod.ts';
import type { Finding } from './findings.ts';
import type { ProbeTarget } from './probe/outcome.ts';
import { asSeen, probeTargets, remember, type Outcomes, type ProbeContext, type Sighting } from './sightings.ts';
import { sshdFinding } from './sshd-findings.ts';

export type Look = {
  readonly pods: readonly AccessPod[];
  /** To be remembered. */
  readonly sightings: readonly Sighting[];
  /** Why nobody gets into some of them. */
  readonly sshdProblems: readonly Finding[];
};

/** @param follow tells the prober where to look from now on, and returns what it has found there so far */
export function look(
  all: readonly AccessPod[],
  context: ProbeContext,
  follow: (targets: readonly ProbeTarget[]) => Outcomes,
): Look {
  const targets = probeTargets(all, context);
  const outcomes = follow(targets);
  const sightings = remember(context.sightings, all, outcomes);
  const pods = asSeen(all, sightings, outcomes);
  const targetOf = new Map(targets.map((target) => [target.pod, target]));
  // In an order of its own: the first of them becomes a condition.
  const sorted = pods.toSorted((left, right) => (left.name < right.name ? -1 : 1));
  const sshdProblems = sorted.flatMap((pod) => sshdFinding(pod, outcomes.get(pod.uid), targetOf.get(pod.uid)) ?? []);
  return { pods, sightings, sshdProblems };
}
