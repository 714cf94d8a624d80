import { z } from 'zod';
import { FIELD_MANAGERS, LABEL_ACCESS } from '../crds/index.ts';
import type { TargetKind } from './resources.ts';

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
  spec: z.object({ replicas: z.int().optional(), template: Template }),
});

/** A Deployment, StatefulSet or DaemonSet, as far as it is a target. */
export type Workload = {
  readonly kind: TargetKind;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly isDeleting: boolean;
  readonly isScaledToZero: boolean;
  readonly containers: readonly string[];
  /** The value of our label on its template. */
  readonly label: string | undefined;
  /** We put something on the template by server-side apply, and can take it back. */
  readonly isOurs: boolean;
  readonly rolledAt: string | undefined;
};

export function parseWorkload(kind: TargetKind, object: unknown): Workload {
  const { metadata, spec } = WorkloadObject.parse(object);
  return {
    kind,
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    isDeleting: metadata.deletionTimestamp !== undefined,
    isScaledToZero: spec.replicas === 0,
    containers: spec.template.spec.containers.map(({ name }) => name),
    label: spec.template.metadata.labels[LABEL_ACCESS],
    isOurs: metadata.managedFields.some(
      ({ manager, operation }) => manager === FIELD_MANAGERS.operator && operation === 'Apply',
    ),
    rolledAt: spec.template.metadata.annotations[ANNOTATION_ROLLED],
  };
}

/** `deployment/my-llm`, as kubectl takes it. */
export const describeWorkload = ({ kind, name }: { kind: TargetKind; name: string }): string =>
  `${kind.toLowerCase()}/${name}`;
