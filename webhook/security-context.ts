import { LIMITED_UIDS, type ProcessNamespace, type SidecarEntry, UNPRIVILEGED_IDS } from '../crds/index.ts';
import { BECOME, capabilitiesOf, capabilitiesToEnter, hasCapability } from './capabilities.ts';
import { allContainers, type Container, type ContainerSecurityContext, type Pod } from './pod.ts';
import type { PodSecurityLevel } from './pod-security-level.ts';

/** Overrides the pod's runAsUser, runAsGroup and runAsNonRoot for this container only; `baseline` allows it. */
const ROOT = { runAsUser: 0, runAsGroup: 0, runAsNonRoot: false, readOnlyRootFilesystem: true };

/** How sessions enter the app, as whom each role does, and the context of the sidecar that makes it so. */
export type Privileges = {
  sessionEntry: SidecarEntry;
  processNamespace: ProcessNamespace;
  /** As in the {@link InjectionRecord}. */
  rootUid: number | null;
  limitedUid: number | null;
  context: ContainerSecurityContext;
};

/**
 * The strongest context that the namespace's level allows, and never more than the app itself has (but for what entering
 * takes, see capabilities.ts). A pod that passed its level before passes after.
 *
 * | level                | process namespace | entry   | sidecar                                                 |
 * | -------------------- | ----------------- | ------- | ------------------------------------------------------- |
 * | restricted           | any               | toolbox | the app's uid and gid, no capabilities; no role limited |
 * | privileged, baseline | isolated          | toolbox | uid 0, to become others: they cannot read the host key  |
 * | privileged, baseline | shared            | chroot  | uid 0, the app's capabilities and those for entering    |
 */
export function privileges(
  pod: Pod,
  app: Container,
  level: PodSecurityLevel,
  processNamespace: ProcessNamespace,
): Privileges {
  if (level === 'restricted') return { ...restricted(pod, app), processNamespace };
  return { ...(processNamespace === 'isolated' ? isolated(pod, app) : chroot(pod, app)), processNamespace };
}

/** Role root in the toolbox: the app's uid, so that its files in shared volumes are theirs, but never 0. */
function toolboxUid(pod: Pod, app: Container): number {
  const own = effective(pod, app).runAsUser;
  return own === undefined || own === 0 ? UNPRIVILEGED_IDS.toolbox : own;
}

/** The first of a thousand: neither the uid of any container, whose processes it could read, nor a group that volumes are given to: not even ours. */
function limitedUid(pod: Pod): number {
  const { fsGroup, supplementalGroups = [], runAsUser, runAsGroup } = pod.spec.securityContext ?? {};
  const contexts = allContainers(pod).map(({ securityContext }) => securityContext);
  const ids = contexts.flatMap((context) => [context?.runAsUser, context?.runAsGroup]);
  const thousand = (id: number): number => Math.floor((id - UNPRIVILEGED_IDS.limited) / LIMITED_UIDS);
  // A pod may have as many as it has containers: each is looked at once.
  const taken = new Set([...ids, ...supplementalGroups, fsGroup, runAsUser, runAsGroup].map((id = 0) => thousand(id)));
  let free = 0;
  while (taken.has(free)) free += 1;
  return UNPRIVILEGED_IDS.limited + free * LIMITED_UIDS;
}

type Granted = Omit<Privileges, 'processNamespace'>;

function restricted(pod: Pod, app: Container): Granted {
  const uid = toolboxUid(pod, app);
  const { runAsGroup } = effective(pod, app);
  return {
    sessionEntry: 'toolbox',
    // Without capabilities nobody changes their uid: every session is what the sidecar is, and can read what it can.
    rootUid: uid,
    limitedUid: null,
    context: {
      runAsUser: uid,
      ...(runAsGroup !== undefined && { runAsGroup }),
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      ...confinement(pod, app),
    },
  };
}

function isolated(pod: Pod, app: Container): Granted {
  return {
    sessionEntry: 'toolbox',
    rootUid: toolboxUid(pod, app),
    limitedUid: limitedUid(pod),
    context: {
      ...ROOT,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'], add: BECOME },
      ...confinement(pod, app),
    },
  };
}

function chroot(pod: Pod, app: Container): Granted {
  const { runAsUser, runAsNonRoot } = effective(pod, app);
  const mayBeRoot = runAsNonRoot !== true && (runAsUser === undefined || runAsUser === 0);
  // Without DAC_OVERRIDE uid 0 can do less in the app's files than the app: then role root is the app's user.
  const rootAllowed = runAsNonRoot !== true && hasCapability(capabilitiesOf(app), 'DAC_OVERRIDE');
  return {
    sessionEntry: 'chroot',
    rootUid: rootAllowed ? 0 : (runAsUser ?? null),
    limitedUid: limitedUid(pod),
    context: {
      ...ROOT,
      // false sets no_new_privs for every session: sudo works in sessions exactly where it works in the app.
      ...(app.securityContext?.allowPrivilegeEscalation === false && { allowPrivilegeEscalation: false }),
      capabilities: capabilitiesToEnter(app, mayBeRoot),
      ...confinement(pod, app),
    },
  };
}

/** A container's value wins over the pod's, field by field. */
export function effective(
  pod: Pod,
  app: Container,
): Pick<ContainerSecurityContext, 'runAsUser' | 'runAsGroup' | 'runAsNonRoot'> {
  const own = app.securityContext;
  const shared = pod.spec.securityContext;
  return {
    runAsUser: own?.runAsUser ?? shared?.runAsUser,
    runAsGroup: own?.runAsGroup ?? shared?.runAsGroup,
    runAsNonRoot: own?.runAsNonRoot ?? shared?.runAsNonRoot,
  };
}

/** Sessions are confined like the app: seccomp by default at all, AppArmor and SELinux so that they may touch it. */
export function confinement(pod: Pod, app: Container): ContainerSecurityContext {
  const own = app.securityContext;
  const seccompProfile = own?.seccompProfile ?? pod.spec.securityContext?.seccompProfile ?? { type: 'RuntimeDefault' };
  // A privileged container is unconfined whatever its profile says, and AppArmor forbids confined ones to look into it.
  const appArmorProfile = own?.privileged === true ? { type: 'Unconfined' } : own?.appArmorProfile;
  return {
    seccompProfile,
    ...(appArmorProfile !== undefined && { appArmorProfile }),
    ...(own?.seLinuxOptions !== undefined && { seLinuxOptions: own.seLinuxOptions }),
  };
}
