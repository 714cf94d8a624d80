import * as z from 'zod';
import { LABEL_ACCESS, SSH_PORT, SshAccess, SshAccessSpec, SshUser } from '../crds/index.ts';
import { injectedBefore } from './injected-before.ts';
import { withoutInjection } from './injection.ts';
import type { LimitRange } from './limit-range.ts';
import { mainContainerPlan, type MainContainerPlan } from './main-container-plan.ts';
import { mountsClash } from './mount-clash.ts';
import { OUR_CONTAINERS, OUR_VOLUMES } from './our-names.ts';
import { allContainers, declaresPort, type Container, type Pod } from './pod.ts';
import { podSecurityLevel, type PodSecurityLevel } from './pod-security-level.ts';
import { decideProcessNamespace, ofThePod, type ProcessNamespaceDecision } from './process-namespace.ts';
import type { SkipReason } from './skip-reasons.ts';

/** What the webhook reads of an SshAccess: nothing else in it, a later status say, can make it unreadable. */
export const Access = SshAccess.pick({ metadata: true }).extend({
  spec: SshAccessSpec.pick({
    target: true,
    processNamespace: true,
    runtime: true,
    mainContainer: true,
    organization: true,
    slug: true,
    audit: true,
  }).extend({ users: z.array(SshUser.pick({ suffix: true })) }),
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
  /** Undefined: the sidecar serves ssh. */
  mainContainer: MainContainerPlan | undefined;
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
 * | label | SshAccess in the same namespace | the pod                             | decision                            |
 * | ----- | ------------------------------- | ----------------------------------- | ----------------------------------- |
 * | none  | any                             | any                                 | skip: not-selected                  |
 * | set   | any                             | ours, mirror, Windows, host network | skip: what the pod is               |
 * | set   | absent                          | any other                           | skip: access-not-found              |
 * | set   | being deleted                   | any other                           | skip: access-deleting               |
 * | set   | present                         | lacks its target container          | skip: container-not-found           |
 * | set   | present                         | uses our name, port or path         | skip: name-, port- or mount-taken   |
 * | set   | sidecar                         | sees its node's processes           | skip: host-pid                      |
 * | set   | main_container, without a name  | any other                           | skip: organization-invalid          |
 * | set   | present, enabled or not         | injected before (by us)             | plan: brought up to date            |
 * | set   | present, enabled or not         | any other                           | plan                                |
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
  // What an earlier round of ours put there is no clash.
  const own = withoutInjection(pod);
  const target = targetContainer(own, access, injectedBefore(pod)?.container);
  if (target === undefined) return { skip: 'container-not-found' };
  const mainContainer = mainContainerPlan(access, labels);
  const hindrance =
    clash(own) ?? (mainContainer === undefined ? sidecarHindrance(own) : sshdHindrance(own, target, mainContainer));
  if (hindrance !== undefined) return { skip: hindrance };
  const plan = {
    access: name,
    container: target.name,
    level: podSecurityLevel(labels, cluster.defaultLevel),
    // What is in the app's own container has no need of it.
    processNamespace:
      mainContainer === undefined ? decideProcessNamespace(pod, access.spec.processNamespace) : ofThePod(pod),
    limitRanges: cluster.limitRanges(namespace),
    mainContainer,
  };
  return { plan };
}

const MIRROR = 'kubernetes.io/config.mirror';
const OS_LABEL = 'kubernetes.io/os';

/** Why a pod of this shape is not injected, whatever its SshAccess says. */
function unfitness({ spec, metadata }: Pod): SkipReason | undefined {
  if (metadata.annotations?.[MIRROR] !== undefined) return 'mirror-pod';
  if (spec.os?.name === 'windows' || spec.nodeSelector?.[OS_LABEL] === 'windows') return 'windows';
  // And where the image's sshd is there already, the pod's address is its node's: so would be the sshd that we logged in to.
  return spec.hostNetwork === true ? 'host-network' : undefined;
}

function clash(own: Pod): SkipReason | undefined {
  const isTaken =
    allContainers(own).some(({ name }) => OUR_CONTAINERS.includes(name)) ||
    (own.spec.volumes ?? []).some(({ name }) => OUR_VOLUMES.includes(name));
  return isTaken ? 'name-taken' : undefined;
}

/** Why no sidecar can serve ssh beside the app. */
function sidecarHindrance(own: Pod): SkipReason | undefined {
  if (own.spec.hostPID === true) return 'host-pid';
  return declaresPort(allContainers(own), SSH_PORT) ? 'port-taken' : undefined;
}

/** Why the sshd of the app's own image cannot be told what it needs. The target itself may declare the port. */
function sshdHindrance(own: Pod, target: Container, plan: MainContainerPlan): SkipReason | undefined {
  const others = allContainers(own).filter((container) => container !== target);
  if (declaresPort(others, plan.port)) return 'port-taken';
  if (mountsClash(own, target, plan)) return 'mount-taken';
  return plan.setup !== 'unmanaged' && plan.usernames.length === 0 ? 'organization-invalid' : undefined;
}

/** The container that the SshAccess names, else the first; in a second round the first of the first round. */
function targetContainer({ spec }: Pod, access: Access, before: string | undefined): Container | undefined {
  const find = (wanted: string | undefined) => spec.containers.find(({ name }) => name === wanted);
  const { container: wanted } = access.spec.target;
  if (wanted !== undefined) return find(wanted);
  // Other injectors put themselves first (linkerd): the app is what came first before them.
  return find(before) ?? spec.containers[0];
}
