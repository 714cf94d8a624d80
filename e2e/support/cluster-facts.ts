/** Pure: what kubectl tells of a cluster → the lines that somebody needs who reads of a failed test and was not there. */
import { z } from 'zod';

/** Bounds: CI's output is read by people. */
const MOST_PODS = 20;
const MOST_ACCESSES = 10;
const MOST_EVENTS = 30;
const LONGEST_LINE = 300;
const RECENT_MS = 120_000;

const State = z.object({ reason: z.string().default(''), exitCode: z.int().optional() });
const Container = z.object({
  name: z.string(),
  ready: z.boolean(),
  restartCount: z.int(),
  state: z.object({ waiting: State.optional(), terminated: State.optional() }).default({}),
});
export const Pod = z.object({
  metadata: z.object({
    namespace: z.string(),
    name: z.string(),
    creationTimestamp: z.string(),
    deletionTimestamp: z.string().optional(),
  }),
  status: z.object({
    phase: z.string().default(''),
    conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
    initContainerStatuses: z.array(Container).default([]),
    containerStatuses: z.array(Container).default([]),
  }),
});
export type Pod = z.infer<typeof Pod>;

export const Access = z.object({
  metadata: z.object({ namespace: z.string(), name: z.string() }),
  status: z
    .object({
      conditions: z
        .array(z.object({ type: z.string(), status: z.string(), reason: z.string(), message: z.string() }))
        .default([]),
    })
    .prefault({}),
});
type Access = z.infer<typeof Access>;

export const Event = z.object({
  metadata: z.object({ namespace: z.string(), creationTimestamp: z.string() }),
  involvedObject: z.object({ kind: z.string().default(''), name: z.string().default('') }),
  reason: z.string().default(''),
  message: z.string().default(''),
  lastTimestamp: z.string().nullish(),
  eventTime: z.string().nullish(),
});
type Event = z.infer<typeof Event>;

const bounded = (line: string): string => (line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE)}…` : line);
const seconds = (time: string, now: number): string => `${Math.round((now - Date.parse(time)) / 1000)} s`;

export const isWell = ({ metadata, status }: Pod): boolean =>
  metadata.deletionTimestamp === undefined &&
  (status.phase === 'Succeeded' || status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True'));

function containerFact({ name, ready, restartCount, state }: z.infer<typeof Container>): string {
  const { waiting, terminated } = state;
  const why = waiting?.reason ?? (terminated && `${terminated.reason} ${terminated.exitCode}`);
  return [name, ready ? 'ready' : 'not ready', ...(why ? [why] : []), `${restartCount} restarts`].join(' ');
}

function podFact({ metadata, status }: Pod, now: number): string {
  const { namespace, name, creationTimestamp, deletionTimestamp } = metadata;
  const end = deletionTimestamp === undefined ? '' : `, TERMINATING by ${deletionTimestamp}`;
  const containers = [...status.initContainerStatuses, ...status.containerStatuses].map(containerFact).join('; ');
  return bounded(`${namespace}/${name}: ${status.phase}, ${seconds(creationTimestamp, now)} old${end} (${containers})`);
}

/** All pods of the system, and those of others that are not well, the youngest first. */
export function podFacts(pods: readonly Pod[], systemNamespace: string, now: number): string[] {
  const isOurs = ({ metadata }: Pod): boolean => metadata.namespace === systemNamespace;
  const others = pods.filter((pod) => !isOurs(pod) && !isWell(pod));
  const sorted = others.toSorted((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? 1 : -1));
  return [...pods.filter(isOurs), ...sorted].slice(0, MOST_PODS).map((pod) => podFact(pod, now));
}

/** Those that are not Ready, and why. */
export const accessFacts = (accesses: readonly Access[]): string[] =>
  accesses
    .flatMap(({ metadata: { namespace, name }, status }) => {
      const ready = status.conditions.find(({ type }) => type === 'Ready');
      if (ready?.status === 'True') return [];
      const why = ready === undefined ? 'nothing is said of it yet' : `${ready.reason}: ${ready.message}`;
      return [bounded(`sshaccess ${namespace}/${name} is not Ready: ${why}`)];
    })
    .slice(-MOST_ACCESSES);

/** Warnings of the last two minutes, the latest last. */
export function eventFacts(events: readonly Event[], now: number): string[] {
  const timeOf = ({ lastTimestamp, eventTime, metadata }: Event): number =>
    Date.parse(lastTimestamp ?? eventTime ?? metadata.creationTimestamp);
  return events
    .filter((event) => now - timeOf(event) <= RECENT_MS)
    .toSorted((a, b) => timeOf(a) - timeOf(b))
    .slice(-MOST_EVENTS)
    .map((event) => {
      const { metadata, involvedObject, reason, message } = event;
      const about = `${metadata.namespace}/${involvedObject.kind} ${involvedObject.name}`;
      return bounded(`${new Date(timeOf(event)).toISOString()} ${about}: ${reason}: ${message.replaceAll('\n', ' ')}`);
    });
}

/** The end of a log: all of a program that is not well, of others what they complain about. */
export function logFacts(log: string, pod: Pod, most: number): string[] {
  const lines = log.split('\n').filter((line) => line !== '');
  const told = isWell(pod) ? lines.filter((line) => /"level":"(warn|error|fatal)"/.test(line)) : lines;
  return told.slice(-most).map((line) => bounded(`${pod.metadata.name}: ${line}`));
}

const PROGRAMS = ['operator', 'piper', 'webhook'] as const;
export const Deployment = z.object({
  metadata: z.object({ labels: z.record(z.string(), z.string()).default({}) }),
  spec: z.object({ replicas: z.int().default(1) }),
  status: z.object({ readyReplicas: z.int().default(0) }).prefault({}),
});

/** What of the system does not run as it should; empty: all is well. */
export const faults = (deployments: readonly z.infer<typeof Deployment>[]): string[] =>
  PROGRAMS.flatMap((program) => {
    const found = deployments.find(({ metadata }) => metadata.labels['app.kubernetes.io/component'] === program);
    if (found === undefined) return [`there is no ${program}`];
    const { spec, status } = found;
    if (spec.replicas > 0 && status.readyReplicas >= spec.replicas) return [];
    return [`${status.readyReplicas} of ${spec.replicas} replicas of the ${program} are ready`];
  });
