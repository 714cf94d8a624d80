/** The label on the pod template: whether to put it there, and the least that a server-side apply must say. */
import { LABEL_ACCESS, type SshAccess, type TemplateSettings } from '../crds/index.ts';
import type { Manifest } from '../lib/kube/apply.ts';
import { finding, type Finding } from './findings.ts';
import {
  ANNOTATION_LABELLED_FOR,
  ANNOTATION_ROLL_ATTEMPT,
  ANNOTATION_ROLLED,
  describeWorkload,
  templateIn,
  type Workload,
} from './workload.ts';

export type LabelDecision =
  | { readonly action: 'apply'; readonly problem: undefined }
  /** `problem`: why there can be no pods with ssh, where there is a reason. */
  | { readonly action: 'none'; readonly problem: Finding | undefined };

/**
 * | workload                    | label    | enabled | rollout   | decision                    |
 * | --------------------------- | -------- | ------- | --------- | --------------------------- |
 * | absent, or being deleted    | –        | any     | any       | TargetNotFound              |
 * | made by another workload    | any      | any     | any       | TargetControlled            |
 * | older SshAccess targets it  | any      | any     | any       | TargetTaken                 |
 * | lacks the named container   | any      | any     | any       | ContainerNotFound           |
 * | present                     | ours     | any     | any       | nothing to do               |
 * | present                     | other    | no      | any       | nothing to do: no roll for nothing |
 * | Job                         | other    | yes     | any       | JobNotLabelled: its template cannot change |
 * | present                     | other    | yes     | Automatic | apply                       |
 * | present                     | other    | yes     | Manual    | LabelMissing                |
 *
 * @param olderRival name of an older SshAccess with the same target: two that label one template in turn would roll it
 *   for ever
 */
export function decideLabel(
  access: SshAccess,
  workload: Workload | undefined,
  olderRival: string | undefined,
): LabelDecision {
  const { spec, metadata } = access;
  const target = describeWorkload(spec.target);
  const none = (problem?: Finding): LabelDecision => ({ action: 'none', problem });
  if (workload === undefined || workload.isDeleting) return none(finding('TargetNotFound', target));
  if (workload.controller !== undefined && workload.kind === 'ReplicaSet')
    return none(finding('TargetControlled', target, workload.controller));
  if (olderRival !== undefined) return none(finding('TargetTaken', target, olderRival));
  const { container } = spec.target;
  if (container !== undefined && !workload.containers.includes(container)) {
    return none(finding('ContainerNotFound', container, target));
  }
  if (workload.label === metadata.name || !spec.enabled) return none();
  if (workload.kind === 'Job') return none(finding('JobNotLabelled', target, metadata.name));
  if (spec.rollout === 'Automatic') return { action: 'apply', problem: undefined };
  return none(finding('LabelMissing', labelCommand(access)));
}

/** What a person types where rollout is Manual. */
function labelCommand({ metadata, spec }: SshAccess): string {
  const patch = { spec: templateIn(spec.target.kind, { metadata: { labels: { [LABEL_ACCESS]: metadata.name } } }) };
  const target = `${spec.target.kind.toLowerCase()} ${spec.target.name}`;
  return `kubectl -n ${metadata.namespace} patch ${target} --type merge -p '${JSON.stringify(patch)}'`;
}

/** Names the object that was decided upon: one made anew under the same name is refused, not created or labelled. */
const identity = ({ namespace, name, uid }: Workload) => ({ namespace, name, uid });

export type Labeller = {
  readonly name: string;
  readonly uid: string;
  /** As the spec says: in the template, a change of it rolls the pods. */
  readonly settings: TemplateSettings;
};

export type Roll = Pick<Workload, 'rolledAt' | 'rollAttempt'>;

/** Ours on the template: the label, and when and for what we last rolled it (left out, it would be taken away, and roll the pods). */
export function labelManifest(
  workload: Workload,
  access: Labeller,
  { rolledAt, rollAttempt }: Roll = workload,
): Manifest {
  const annotations = {
    [ANNOTATION_LABELLED_FOR]: access.uid,
    ...(rolledAt !== undefined && { [ANNOTATION_ROLLED]: rolledAt }),
    ...(rollAttempt > 0 && { [ANNOTATION_ROLL_ATTEMPT]: String(rollAttempt) }),
    ...access.settings,
  };
  const labels = { [LABEL_ACCESS]: access.name };
  return { metadata: identity(workload), spec: templateIn(workload.kind, { metadata: { labels, annotations } }) };
}

/** Nothing of the template is ours any more. */
export const releaseManifest = (workload: Workload): Manifest => ({ metadata: identity(workload) });
