import * as z from 'zod';
import {
  ANNOTATION_INJECTED,
  ANNOTATION_SKIPPED,
  InjectionRecord,
  LABEL_ACCESS,
  MOST_RECORD_LENGTH,
  MOST_SKIP_LENGTH,
  SIDECAR_CONTAINER,
  SkipRecord,
} from '../crds/index.ts';

/** Kubernetes writes a time that is not known as null: of a container that ended before anybody saw it start, say. */
const time = z
  .string()
  .nullish()
  .transform((given) => given ?? '');

const words = z.string().default('');

const Terminated = z.object({
  exitCode: z.int(),
  message: z.string().default(''),
  startedAt: time,
  finishedAt: time,
});

const ContainerStatus = z.object({
  name: z.string(),
  ready: z.boolean().default(false),
  restartCount: z.int().default(0),
  containerID: z.string().default(''),
  state: z
    .object({
      waiting: z.object({ reason: words, message: words }).optional(),
      running: z.object({ startedAt: time }).optional(),
      terminated: Terminated.optional(),
    })
    .default({}),
  lastState: z.object({ terminated: Terminated.optional() }).default({}),
});
type ContainerStatus = z.infer<typeof ContainerStatus>;

const Container = z.object({
  name: z.string(),
  ports: z.array(z.object({ containerPort: z.int(), protocol: z.string().default('TCP') })).default([]),
});

const Pod = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    uid: z.string(),
    labels: z.record(z.string(), z.string()).default({}),
    annotations: z.record(z.string(), z.string()).default({}),
    creationTimestamp: z.string().default(''),
    deletionTimestamp: z.string().optional(),
    ownerReferences: z.array(z.object({ controller: z.boolean().default(false) })).default([]),
  }),
  spec: z
    .object({
      hostNetwork: z.boolean().default(false),
      shareProcessNamespace: z.boolean().default(false),
      containers: z.array(Container).default([]),
    })
    .prefault({}),
  status: z
    .object({
      phase: z.string().default('Pending'),
      podIP: z.string().optional(),
      conditions: z
        .array(z.object({ type: z.string(), status: z.string(), reason: words, message: words }))
        .default([]),
      initContainerStatuses: z.array(ContainerStatus).default([]),
      containerStatuses: z.array(ContainerStatus).default([]),
    })
    .prefault({}),
});

/** What status tells of one pod with our label. */
export type AccessPod = {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** RFC 3339, in whole seconds. */
  readonly createdAt: string;
  /** Where it is, by the API server; undefined: nowhere yet. */
  readonly address: string | undefined;
  /** The SshAccess in its label. */
  readonly access: string;
  /** A controller has made it, and makes another in its place. Who sets that without being one loses the pod to it. */
  readonly isControlled: boolean;
  /** Undefined: it was started without ssh. */
  readonly record: InjectionRecord | undefined;
  /** Why that was so on purpose, in the webhook's words, or in those of whoever made the pod. */
  readonly skipped: SkipRecord | undefined;
  /** It takes connections: as the kubelet says of the sidecar, and the prober of a main_container. */
  readonly isReady: boolean;
  /** Why it does not, in the words of the kubelet or the scheduler. */
  readonly waiting: string;
  /** The container whose image has the sshd. Undefined: there is a sidecar. */
  readonly main: MainContainerState | undefined;
  /** Its containers see each other's processes, and none of them is process 1. */
  readonly sharesProcesses: boolean;
  /** A container of the app that ends as soon as it has started, again and again. */
  readonly crashing: Crashing | undefined;
};
/** What the kubelet tells of a container with an sshd of its own. */
export type MainContainerState = {
  readonly name: string;
  /** Another with each start; empty: it has not been started yet. */
  readonly id: string;
  readonly isRunning: boolean;
  /** RFC 3339; empty where it does not run. */
  readonly startedAt: string;
  /** The TCP ports that it declares. */
  readonly ports: readonly number[];
  /** How it ended the last time; `message` is the end of its log, or what it left for the purpose. */
  readonly ended: { readonly exitCode: number; readonly message: string } | undefined;
};
export type Crashing = { readonly container: string; readonly exitCode: number };

/** Pods that end or have ended count no more: undefined. */
export function parsePod(object: unknown): AccessPod | undefined {
  const { metadata, spec, status } = Pod.parse(object);
  const access = metadata.labels[LABEL_ACCESS];
  if (access === undefined || metadata.deletionTimestamp !== undefined) return undefined;
  if (status.phase === 'Succeeded' || status.phase === 'Failed') return undefined;
  const record = parseRecord(InjectionRecord, metadata.annotations[ANNOTATION_INJECTED], MOST_RECORD_LENGTH);
  const skipped = parseRecord(SkipRecord, metadata.annotations[ANNOTATION_SKIPPED], MOST_SKIP_LENGTH);
  const isMain = record?.runtime === 'main_container';
  const named = (statuses: readonly ContainerStatus[], wanted: string) => statuses.find(({ name }) => name === wanted);
  const server = isMain
    ? named(status.containerStatuses, record.container)
    : named(status.initContainerStatuses, SIDECAR_CONTAINER);
  // Without a node there is no kubelet that says anything of containers.
  const unscheduled = status.conditions.find(({ type, status: holds }) => type === 'PodScheduled' && holds === 'False');
  const { reason = '', message = '' } = server?.state.waiting ?? unscheduled ?? {};
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    createdAt: metadata.creationTimestamp,
    // The webhook injects none with the network of its node: who says that it did would have us knock at a node's ports.
    address: spec.hostNetwork ? undefined : status.podIP,
    access,
    isControlled: metadata.ownerReferences.some(({ controller }) => controller),
    record,
    skipped: record === undefined ? skipped : undefined,
    isReady: isMain ? false : (server?.ready ?? false),
    waiting: [reason, message]
      .filter((part) => part !== '')
      .join(': ')
      .slice(0, 300),
    main: isMain ? mainContainer(record.container, server, spec.containers) : undefined,
    sharesProcesses: spec.shareProcessNamespace,
    crashing: status.containerStatuses.map(crashingOf).find((crashing) => crashing !== undefined),
  };
}

/** As much as the kubelet takes of a log; the bound is ours as well. */
const MOST_OF_A_LOG = 4_096;

function mainContainer(
  name: string,
  status: ContainerStatus | undefined,
  containers: readonly z.infer<typeof Container>[],
): MainContainerState {
  const declared = containers.find((container) => container.name === name)?.ports ?? [];
  const ended = status?.state.terminated ?? status?.lastState.terminated;
  return {
    name,
    id: status?.containerID ?? '',
    isRunning: status?.state.running !== undefined,
    startedAt: status?.state.running?.startedAt ?? '',
    ports: declared.filter(({ protocol }) => protocol === 'TCP').map(({ containerPort }) => containerPort),
    ended: ended && { exitCode: ended.exitCode, message: ended.message.slice(-MOST_OF_A_LOG) },
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

function parseRecord<T>(schema: z.core.$ZodType<T>, annotation: string | undefined, longest: number): T | undefined {
  if (annotation === undefined || annotation.length > longest) return undefined;
  try {
    return z.parse(schema, JSON.parse(annotation));
  } catch {
    // Somebody else's words under our name: as good as none.
    return undefined;
  }
}
