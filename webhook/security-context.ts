import type { SessionEntry } from '../crds/index.ts';
import { BECOME, capabilitiesOf, capabilitiesToEnter, hasCapability } from './capabilities.ts';
import type { Container, ContainerSecurityContext, Pod } from './pod.ts';
import type { PodSecurityLevel } from './pod-security-level.ts';

/** The uid of sidecars that may not be 0, where the app's own is not known from the pod. */
const NOBODY_IN_PARTICULAR = 65_532;

/** Overrides the pod's runAsUser, runAsGroup and runAsNonRoot for this container only; `baseline` allows it. */
const ROOT = { runAsUser: 0, runAsGroup: 0, runAsNonRoot: false, readOnlyRootFilesystem: true };

/** How sessions enter the app, as whom role root does, and the context of the sidecar that makes it so. */
export type Privileges = { sessionEntry: SessionEntry; rootUid: number | null; context: ContainerSecurityContext };

/**
 * The strongest context that the namespace's level allows, and never more than the app itself has (but for what entering
 * takes, see capabilities.ts). A pod that passed its level before passes after.
 *
 * | level                | shareProcessNamespace                     | entry   | sidecar                                   |
 * | -------------------- | ----------------------------------------- | ------- | ----------------------------------------- |
 * | restricted           | any                                       | toolbox | the app's uid, no capabilities            |
 * | privileged, baseline | false: the app insists on being process 1 | toolbox | uid 0, to become others: they cannot read |
 * |                      |                                           |         | the host key                              |
 * | privileged, baseline | true or not set                           | chroot  | uid 0, the app's capabilities and those   |
 * |                      |                                           |         | for entering                              |
 */
export function privileges(pod: Pod, app: Container, level: PodSecurityLevel): Privileges {
  if (level === 'restricted') return restricted(pod, app);
  return pod.spec.shareProcessNamespace === false ? isolated(pod, app) : chroot(pod, app);
}

/** Role root in the toolbox: the app's uid, so that its files in shared volumes are theirs, but never 0. */
function toolboxUid(pod: Pod, app: Container): number {
  const own = effective(pod, app).runAsUser;
  return own === undefined || own === 0 ? NOBODY_IN_PARTICULAR : own;
}

function restricted(pod: Pod, app: Container): Privileges {
  const uid = toolboxUid(pod, app);
  const { runAsGroup } = effective(pod, app);
  return {
    sessionEntry: 'toolbox',
    // Without capabilities nobody changes their uid: every role is what the sidecar is.
    rootUid: uid,
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

function isolated(pod: Pod, app: Container): Privileges {
  return {
    sessionEntry: 'toolbox',
    rootUid: toolboxUid(pod, app),
    context: {
      ...ROOT,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'], add: BECOME },
      ...confinement(pod, app),
    },
  };
}

function chroot(pod: Pod, app: Container): Privileges {
  const { runAsUser, runAsNonRoot } = effective(pod, app);
  const mayBeRoot = runAsNonRoot !== true && (runAsUser === undefined || runAsUser === 0);
  // Without DAC_OVERRIDE uid 0 can do less in the app's files than the app: then role root is the app's user.
  const rootAllowed = runAsNonRoot !== true && hasCapability(capabilitiesOf(app), 'DAC_OVERRIDE');
  return {
    sessionEntry: 'chroot',
    rootUid: rootAllowed ? 0 : (runAsUser ?? null),
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
function effective(
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
function confinement(pod: Pod, app: Container): ContainerSecurityContext {
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
