import type { z } from 'zod';
import { LABEL_ACCESS, SIDECAR_CONTAINER, SSH_PORT, SshAccess, SshAccessSpec } from '../crds/index.ts';
import { injectedBefore } from './injected-before.ts';
import type { LimitRange } from './limit-range.ts';
import { allContainers, type Pod } from './pod.ts';
import { podSecurityLevel, type PodSecurityLevel } from './pod-security-level.ts';
import { decideProcessNamespace, type ProcessNamespaceDecision } from './process-namespace.ts';
import { SIDECAR_VOLUMES } from './sidecar-volumes.ts';
import type { SkipReason } from './skip-reasons.ts';

/** What the webhook reads of an SshAccess: nothing else in it, a later status say, can make it unreadable. */
export const Access = SshAccess.pick({ metadata: true }).extend({
  spec: SshAccessSpec.pick({ target: true, processNamespace: true }),
});
export type Access = z.infer<typeof Access>;

/** Everything that decides how one pod is injected, besides the pod and the installation's settings. */
export type InjectionPlan = {
  access: string;
  /** The container that sessions enter. */
  container: string;
  level: PodSecurityLevel;
  processNamespace: ProcessNamespaceDecision;
  /** Those of the namespace. */
  limitRanges: readonly LimitRange[];
};
export type Decision = { plan: InjectionPlan } | { skip: SkipReason };

/** What the webhook knows of the cluster; undefined: not in the cache. */
export type Cluster = {
  access: (namespace: string, name: string) => Access | undefined;
  namespaceLabels: (name: string) => Readonly<Record<string, string>> | undefined;
  limitRanges: (namespace: string) => readonly LimitRange[];
  systemNamespace: string;
  defaultLevel: PodSecurityLevel;
};

/**
 * Which SshAccess selects this pod, or why none injects it. A disabled SshAccess injects too: its Secret has no users
 * that matter, and switching it on later restarts nothing.
 *
 * | label | SshAccess in the same namespace | the pod                             | decision                         |
 * | ----- | ------------------------------- | ----------------------------------- | -------------------------------- |
 * | none  | any                             | any                                 | skip: not-selected               |
 * | set   | any                             | ours, mirror, Windows, host network | skip: what the pod is            |
 * | set   | absent                          | any other                           | skip: access-not-found           |
 * | set   | being deleted                   | any other                           | skip: access-deleting            |
 * | set   | present                         | lacks its target container          | skip: container-not-found        |
 * | set   | present                         | uses our name or port               | skip: name-taken, port-taken     |
 * | set   | present, enabled or not         | injected before (by us)             | plan: brought up to date         |
 * | set   | present, enabled or not         | any other                           | plan                             |
 */
export function decide(pod: Pod, namespace: string, cluster: Cluster): Decision {
  const name = pod.metadata.labels?.[LABEL_ACCESS];
  if (name === undefined || name === '') return { skip: 'not-selected' };
  const unfit = namespace === cluster.systemNamespace ? 'system-namespace' : unfitness(pod);
  if (unfit !== undefined) return { skip: unfit };
  const access = cluster.access(namespace, name);
  if (access === undefined) return { skip: 'access-not-found' };
  if (access.metadata.deletionTimestamp !== undefined) return { skip: 'access-deleting' };
  const labels = cluster.namespaceLabels(namespace);
  if (labels === undefined) return { skip: 'namespace-not-found' };
  const container = targetContainer(pod, access);
  if (container === undefined) return { skip: 'container-not-found' };
  const level = podSecurityLevel(labels, cluster.defaultLevel);
  const processNamespace = decideProcessNamespace(pod, access.spec.processNamespace);
  return { plan: { access: name, container, level, processNamespace, limitRanges: cluster.limitRanges(namespace) } };
}

const MIRROR = 'kubernetes.io/config.mirror';
const OS_LABEL = 'kubernetes.io/os';

/** Why a pod of this shape cannot have a sidecar, whatever its SshAccess says. */
function unfitness(pod: Pod): SkipReason | undefined {
  const { spec, metadata } = pod;
  if (metadata.annotations?.[MIRROR] !== undefined) return 'mirror-pod';
  if (spec.os?.name === 'windows' || spec.nodeSelector?.[OS_LABEL] === 'windows') return 'windows';
  if (spec.hostNetwork === true) return 'host-network';
  if (spec.hostPID === true) return 'host-pid';
  // What an earlier round of ours put there is no clash.
  const ours = injectedBefore(pod) !== undefined;
  const others = allContainers(pod).filter((container) => !ours || container.name !== SIDECAR_CONTAINER);
  const volumes = ours ? [] : (spec.volumes ?? []);
  if (others.some(({ name }) => name === SIDECAR_CONTAINER)) return 'name-taken';
  if (volumes.some(({ name }) => SIDECAR_VOLUMES.includes(name))) return 'name-taken';
  const takesPort = others.some(({ ports }) => ports?.some(isSshPort) ?? false);
  return takesPort ? 'port-taken' : undefined;
}

const isSshPort = (port: { containerPort: number; protocol?: string | undefined }): boolean =>
  port.containerPort === SSH_PORT && (port.protocol ?? 'TCP') === 'TCP';

/** The container that the SshAccess names, else the first; in a second round the first of the first round. */
function targetContainer(pod: Pod, access: Access): string | undefined {
  const names = pod.spec.containers.map(({ name }) => name);
  const wanted = access.spec.target.container;
  if (wanted !== undefined) return names.find((name) => name === wanted);
  // Other injectors put themselves first (linkerd): the app is what came first before them.
  const before = injectedBefore(pod)?.container;
  return names.find((name) => name === before) ?? names[0];
}
