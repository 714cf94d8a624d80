import * as z from 'zod';
import { FIELD_MANAGERS, LABEL_ACCESS, settingsAmong, type TemplateSettings } from '../crds/index.ts';
import type { TargetKind } from './resources.ts';

/**
 * On the template: which SshAccess labelled it. One that is deleted and made again has new keys under the old names:
 * without this, its template would be that of the ReplicaSet before, whose pods still hold the old keys.
 */
export const ANNOTATION_LABELLED_FOR = 'sshaccess.dev/labelled-for';

/** On the template: when we last rolled its pods. */
export const ANNOTATION_ROLLED = 'sshaccess.dev/rolled-at';
/** On the template: the how manieth roll in a row that was, where pods were started without ssh (missed-pods.ts). */
export const ANNOTATION_ROLL_ATTEMPT = 'sshaccess.dev/roll-attempt';

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
    ownerReferences: z
      .array(z.object({ kind: z.string(), name: z.string(), controller: z.boolean().default(false) }))
      .default([]),
    managedFields: z
      .array(
        z.object({
          manager: z.string().optional(),
          operation: z.string().optional(),
          subresource: z.string().default(''),
          time: z.string().default(''),
        }),
      )
      .default([]),
  }),
  spec: z
    .object({
      replicas: z.int().optional(),
      suspend: z.boolean().default(false),
      paused: z.boolean().default(false),
      updateStrategy: z.object({ type: z.string().optional() }).optional(),
      selector: z.object({ matchLabels: z.record(z.string(), z.string()).optional() }).optional(),
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
    .object({
      replicas: z.int().optional(),
      currentNumberScheduled: z.int().optional(),
      conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
    })
    .prefault({}),
});

/**
 * What a change of the template does to the pods that are there: it replaces them; or it would, were the workload not
 * paused; or nothing before they are deleted; or nothing at all, as with the pods of a Job.
 */
export type Rollout = 'rolling' | 'paused' | 'on-delete' | 'none';

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
  readonly rollout: Rollout;
  /** It has pods, of whatever template. */
  readonly hasPods: boolean;
  /** What its pods are selected by, as kubectl takes it; undefined: it cannot be said in a word. */
  readonly selector: string | undefined;
  /** What makes it, and its template: `deployment/my-llm`. */
  readonly controller: string | undefined;
  readonly containers: readonly string[];
  /** The value of our label on its template. */
  readonly label: string | undefined;
  /** We put something on the template by server-side apply, and can take it back. */
  readonly isOurs: boolean;
  /** Who else has last written to it, by the name that they give themselves. */
  readonly lastWriter: string | undefined;
  readonly rolledAt: string | undefined;
  /** 0: that was for another cause than pods without ssh. */
  readonly rollAttempt: number;
  /** What of the spec its pods were last rolled for. */
  readonly settings: TemplateSettings;
};

export function parseWorkload(kind: TargetKind, object: unknown): Workload {
  const { metadata, spec, status } = WorkloadObject.parse(object);
  const controller = metadata.ownerReferences.find((owner) => owner.controller);
  return {
    kind,
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    isDeleting: metadata.deletionTimestamp !== undefined,
    phase: phaseOf(spec, status.conditions),
    rollout: rolloutOf(kind, spec),
    hasPods: (status.replicas ?? status.currentNumberScheduled ?? 0) > 0,
    selector: selectorOf(spec.selector?.matchLabels),
    controller: controller && `${controller.kind.toLowerCase()}/${controller.name}`,
    containers: spec.template.spec.containers.map(({ name }) => name),
    label: spec.template.metadata.labels[LABEL_ACCESS],
    isOurs: metadata.managedFields.some(
      ({ manager, operation }) => manager === FIELD_MANAGERS.operator && operation === 'Apply',
    ),
    lastWriter: lastWriterOf(metadata.managedFields),
    rolledAt: timeIn(spec.template.metadata.annotations[ANNOTATION_ROLLED]),
    rollAttempt: countIn(spec.template.metadata.annotations[ANNOTATION_ROLL_ATTEMPT]),
    settings: settingsAmong(spec.template.metadata.annotations),
  };
}

/** Tenants can write it: what is no time is none. */
const timeIn = (annotation: string | undefined): string | undefined =>
  annotation === undefined || Number.isNaN(Date.parse(annotation)) ? undefined : annotation;

const countIn = (annotation = ''): number => (/^[1-9]$/.test(annotation) ? Number(annotation) : 0);

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

function rolloutOf(
  kind: TargetKind,
  { paused, updateStrategy }: { paused: boolean; updateStrategy?: { type?: string | undefined } | undefined },
): Rollout {
  if (kind === 'Job' || kind === 'CronJob') return 'none';
  if (kind === 'ReplicaSet' || updateStrategy?.type === 'OnDelete') return 'on-delete';
  return paused ? 'paused' : 'rolling';
}

function selectorOf(labels: Readonly<Record<string, string>> | undefined): string | undefined {
  const parts = Object.entries(labels ?? {}).map(([name, value]) => `${name}=${value}`);
  return parts.length === 0 ? undefined : parts.toSorted().join(',');
}

/** Kubernetes' own controllers write what they found, and no template. */
const CONTROLLERS = 'kube-controller-manager';
const LONGEST_WRITER = 63;

/** The name is the client's own to choose, and people read it. */
function lastWriterOf(
  entries: readonly { manager?: string | undefined; subresource: string; time: string }[],
): string | undefined {
  const others = entries.filter(
    ({ manager, subresource }) => subresource === '' && manager !== FIELD_MANAGERS.operator && manager !== CONTROLLERS,
  );
  const [last] = others.toSorted((left, right) => (left.time < right.time ? 1 : -1));
  return last?.manager?.replaceAll(/[^A-Za-z0-9._-]/g, '?').slice(0, LONGEST_WRITER);
}

/** Where a manifest of this kind holds its pod template. */
export const templateIn = (kind: TargetKind, template: object): object =>
  kind === 'CronJob' ? { jobTemplate: { spec: { template } } } : { template };

/** `deployment/my-llm`, as kubectl takes it. */
export const describeWorkload = ({ kind, name }: { kind: TargetKind; name: string }): string =>
  `${kind.toLowerCase()}/${name}`;
