import * as z from 'zod';
import { FIELD_MANAGERS, LABEL_ACCESS } from '../crds/index.ts';
import type { TargetKind } from './resources.ts';
import { settingsAmong, type TemplateSettings } from './template-settings.ts';

/**
 * On the template: which SshAccess labelled it. One that is deleted and made again has new keys under the old names:
 * without this, its template would be that of the ReplicaSet before, whose pods still hold the old keys.
 */
export const ANNOTATION_LABELLED_FOR = 'sshaccess.dev/labelled-for';

/** On the template: when its pods were last rolled because they had been started without ssh. */
export const ANNOTATION_ROLLED = 'sshaccess.dev/rolled-at';

const strings = z.record(z.string(), z.string()).default({});
const Template = z.object({
  metadata: z.object({ labels: strings, annotations: strings }).prefault({}),
  spec: z.object({ containers: z.array(z.object({ name: z.string() })) }),
});
const WorkloadObject = z.object({
  metadata: z.object({
    namespace: z.string(),
    name: z.string(),
    uid: z.string(),
    resourceVersion: z.string(),
    deletionTimestamp: z.string().optional(),
    managedFields: z.array(z.object({ manager: z.string().optional(), operation: z.string().optional() })).default([]),
  }),
  spec: z
    .object({
      replicas: z.int().optional(),
      suspend: z.boolean().default(false),
      template: Template.optional(),
      jobTemplate: z.object({ spec: z.object({ template: Template }) }).optional(),
    })
    .transform((spec, context) => {
      const template = spec.template ?? spec.jobTemplate?.spec.template;
      if (template !== undefined) return { ...spec, template };
      context.addIssue({ code: 'custom', message: 'has no pod template' });
      return z.NEVER;
    }),
  status: z
    .object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]) })
    .prefault({}),
});

/** The kinds whose pods a change of the template replaces; those of a Job are as they were made. */
const ROLLING: ReadonlySet<TargetKind> = new Set<TargetKind>(['Deployment', 'StatefulSet', 'DaemonSet']);
export const isRolling = ({ kind }: { kind: TargetKind }): boolean => ROLLING.has(kind);

/** What a workload tells of why it has no pods. */
export type WorkloadPhase = 'active' | 'scaled-to-zero' | 'suspended' | 'ended';

/** A workload, as far as it is a target. */
export type Workload = {
  readonly kind: TargetKind;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly isDeleting: boolean;
  readonly phase: WorkloadPhase;
  readonly containers: readonly string[];
  /** The value of our label on its template. */
  readonly label: string | undefined;
  /** We put something on the template by server-side apply, and can take it back. */
  readonly isOurs: boolean;
  readonly rolledAt: string | undefined;
  /** What of the spec its pods were last rolled for. */
  readonly settings: TemplateSettings;
};

export function parseWorkload(kind: TargetKind, object: unknown): Workload {
  const { metadata, spec, status } = WorkloadObject.parse(object);
  return {
    kind,
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    isDeleting: metadata.deletionTimestamp !== undefined,
    phase: phaseOf(spec, status.conditions),
    containers: spec.template.spec.containers.map(({ name }) => name),
    label: spec.template.metadata.labels[LABEL_ACCESS],
    isOurs: metadata.managedFields.some(
      ({ manager, operation }) => manager === FIELD_MANAGERS.operator && operation === 'Apply',
    ),
    rolledAt: spec.template.metadata.annotations[ANNOTATION_ROLLED],
    settings: settingsAmong(spec.template.metadata.annotations),
  };
}

function phaseOf(
  { replicas, suspend }: { replicas?: number | undefined; suspend: boolean },
  conditions: readonly { type: string; status: string }[],
): WorkloadPhase {
  if (replicas === 0) return 'scaled-to-zero';
  // A Deployment has neither condition.
  if (conditions.some(({ type, status }) => status === 'True' && (type === 'Complete' || type === 'Failed')))
    return 'ended';
  return suspend ? 'suspended' : 'active';
}

/** Where a manifest of this kind holds its pod template. */
export const templateIn = (kind: TargetKind, template: object): object =>
  kind === 'CronJob' ? { jobTemplate: { spec: { template } } } : { template };

/** `deployment/my-llm`, as kubectl takes it. */
export const describeWorkload = ({ kind, name }: { kind: TargetKind; name: string }): string =>
  `${kind.toLowerCase()}/${name}`;
