import {
  ANNOTATION_SKIPPED,
  isLastingSkip,
  LABEL_ACCESS,
  skipSettings,
  type Runtime,
  type SkipRecord,
} from '../crds/index.ts';
import type { AdmissionRequest, AdmissionResponse } from './admission-review.ts';
import { patched } from './admission-review.ts';
import type { Operation } from 'rfc6902';
import { isProbe, PROBE_ANSWER } from './probe.ts';
import { inject } from './inject.ts';
import { decide, type Access, type Cluster } from './injection-plan.ts';
import { diff } from './patch.ts';
import { Pod } from './pod.ts';
import type { SidecarSettings } from './sidecar-container.ts';
import { SKIP_REASONS, type SkipReason } from './skip-reasons.ts';

/** What was decided on one pod, for the one line in the log. */
export type DecisionRecord = {
  namespace: string;
  pod: string;
  dryRun: boolean;
  decision: 'injected' | 'unchanged' | 'skipped' | 'answered';
  access?: string;
  runtime?: Runtime;
  container?: string;
  level?: string;
  reason?: SkipReason;
};
export type Outcome = { response: AdmissionResponse; record: DecisionRecord };

/**
 * Answers one admission request. Pure: dry-run is no special case, since nothing is ever written.
 * @throws ZodError where the object is no Pod
 */
export function mutatePod(request: AdmissionRequest, cluster: Cluster, settings: SidecarSettings): Outcome {
  const { uid, namespace, dryRun = false } = request;
  if (isProbe(request)) {
    const record = { namespace, pod: '', dryRun, decision: 'answered' } as const;
    return { response: patched(uid, 'answered', PROBE_ANSWER), record };
  }
  if (!isPodCreate(request)) return skipped({ namespace, pod: '', dryRun }, 'not-a-pod-create', { uid });
  const pod = Pod.parse(request.object);
  const about = { namespace, pod: pod.metadata.name ?? pod.metadata.generateName ?? '', dryRun };
  const decision = decide(pod, namespace, cluster);
  if ('skip' in decision) {
    const note = noteOf(pod, decision.skip, cluster.access(namespace, pod.metadata.labels?.[LABEL_ACCESS] ?? ''));
    return skipped(about, decision.skip, { uid, patch: note && diff(pod, note) });
  }
  const patch = diff(pod, inject(pod, decision.plan, settings));
  const done = patch.length === 0 ? 'unchanged' : 'injected';
  const { access, container, level, mainContainer } = decision.plan;
  const runtime = mainContainer === undefined ? 'sidecar' : 'main_container';
  return {
    response: patched(uid, done, patch),
    record: { ...about, decision: done, access, runtime, container, level },
  };
}

const isPodCreate = ({ kind, operation, subResource }: AdmissionRequest): boolean =>
  kind.group === '' && kind.kind === 'Pod' && operation === 'CREATE' && (subResource ?? '') === '';

/** The pod with the reason on it, where the next one would be left alone for the same. */
function noteOf(pod: Pod, reason: SkipReason, access: Access | undefined): Pod | undefined {
  if (access === undefined || !isLastingSkip(reason)) return undefined;
  const record: SkipRecord = { version: 1, reason, settings: skipSettings(access.spec) };
  const annotations = { ...pod.metadata.annotations, [ANNOTATION_SKIPPED]: JSON.stringify(record) };
  return { ...pod, metadata: { ...pod.metadata, annotations } };
}

function skipped(
  about: Omit<DecisionRecord, 'decision'>,
  reason: SkipReason,
  { uid, patch = [] }: { uid: string; patch?: readonly Operation[] | undefined },
): Outcome {
  // Nobody who did not ask for ssh is told about it.
  const unasked = reason === 'not-selected' || reason === 'not-a-pod-create';
  const warning = unasked ? undefined : `sshaccess: not injected: ${SKIP_REASONS[reason]}`;
  return { response: patched(uid, reason, patch, warning), record: { ...about, decision: 'skipped', reason } };
}
