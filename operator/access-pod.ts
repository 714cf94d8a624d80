import { z } from 'zod';
import { ANNOTATION_INJECTED, InjectionRecord, LABEL_ACCESS, SIDECAR_CONTAINER } from '../crds/index.ts';

const Terminated = z.object({
  exitCode: z.int(),
  startedAt: z.string().default(''),
  finishedAt: z.string().default(''),
});

const ContainerStatus = z.object({
  name: z.string(),
  ready: z.boolean().default(false),
  restartCount: z.int().default(0),
  state: z
    .object({ waiting: z.object({ reason: z.string().default(''), message: z.string().default('') }).optional() })
    .default({}),
  lastState: z.object({ terminated: Terminated.optional() }).default({}),
});
type ContainerStatus = z.infer<typeof ContainerStatus>;

const Pod = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    labels: z.record(z.string(), z.string()).default({}),
    annotations: z.record(z.string(), z.string()).default({}),
    deletionTimestamp: z.string().optional(),
  }),
  spec: z.object({ shareProcessNamespace: z.boolean().default(false) }).prefault({}),
  status: z
    .object({
      phase: z.string().default('Pending'),
      initContainerStatuses: z.array(ContainerStatus).default([]),
      containerStatuses: z.array(ContainerStatus).default([]),
    })
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
  /** Its containers see each other's processes, and none of them is process 1. */
  readonly sharesProcesses: boolean;
  /** A container of the app that ends as soon as it has started, again and again. */
  readonly crashing: Crashing | undefined;
};
export type Crashing = { readonly container: string; readonly exitCode: number };

/** Pods that end or have ended count no more: undefined. */
export function parsePod(object: unknown): AccessPod | undefined {
  const { metadata, spec, status } = Pod.parse(object);
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
    sharesProcesses: spec.shareProcessNamespace,
    crashing: status.containerStatuses.map(crashingOf).find((crashing) => crashing !== undefined),
  };
}

/** The first restart may have any cause, such as a database that starts at the same time. */
const MIN_RESTARTS = 2;
const SHORT_LIFE_MS = 10_000;

function crashingOf({ name, restartCount, lastState }: ContainerStatus): Crashing | undefined {
  const { terminated } = lastState;
  if (terminated === undefined || terminated.exitCode === 0 || restartCount < MIN_RESTARTS) return undefined;
  const livedMs = Date.parse(terminated.finishedAt) - Date.parse(terminated.startedAt);
  return livedMs <= SHORT_LIFE_MS ? { container: name, exitCode: terminated.exitCode } : undefined;
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
