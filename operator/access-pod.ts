import { z } from 'zod';
import { ANNOTATION_INJECTED, InjectionRecord, LABEL_ACCESS, SIDECAR_CONTAINER } from '../crds/index.ts';

const ContainerStatus = z.object({
  name: z.string(),
  ready: z.boolean().default(false),
  state: z
    .object({ waiting: z.object({ reason: z.string().default(''), message: z.string().default('') }).optional() })
    .default({}),
});

const Pod = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    labels: z.record(z.string(), z.string()).default({}),
    annotations: z.record(z.string(), z.string()).default({}),
    deletionTimestamp: z.string().optional(),
  }),
  status: z
    .object({ phase: z.string().default('Pending'), initContainerStatuses: z.array(ContainerStatus).default([]) })
    .prefault({}),
});

/** What status tells of one pod with our label. */
export type AccessPod = {
  readonly namespace: string;
  readonly name: string;
  /** The SshAccess in its label. */
  readonly access: string;
  /** Undefined: it was started without ssh. */
  readonly record: InjectionRecord | undefined;
  /** The sidecar takes connections. */
  readonly isReady: boolean;
  /** Why it does not, in the kubelet's words. */
  readonly waiting: string;
};

/** Pods that end or have ended count no more: undefined. */
export function parsePod(object: unknown): AccessPod | undefined {
  const { metadata, status } = Pod.parse(object);
  const access = metadata.labels[LABEL_ACCESS];
  if (access === undefined || metadata.deletionTimestamp !== undefined) return undefined;
  if (status.phase === 'Succeeded' || status.phase === 'Failed') return undefined;
  const sidecar = status.initContainerStatuses.find(({ name }) => name === SIDECAR_CONTAINER);
  const { reason = '', message = '' } = sidecar?.state.waiting ?? {};
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    access,
    record: parseRecord(metadata.annotations[ANNOTATION_INJECTED]),
    isReady: sidecar?.ready ?? false,
    waiting: [reason, message]
      .filter((part) => part !== '')
      .join(': ')
      .slice(0, 300),
  };
}

function parseRecord(annotation: string | undefined): InjectionRecord | undefined {
  if (annotation === undefined) return undefined;
  try {
    return InjectionRecord.parse(JSON.parse(annotation));
  } catch {
    // Somebody else's words under our name: as good as none.
    return undefined;
  }
}
