import { LIMITED_UIDS, UNPRIVILEGED_IDS } from '../crds/injection-record.ts';
import type { Role } from '../crds/session-policy.ts';
import type { AppProcess } from './app-process.ts';

/** What a session's processes are. */
export type Identity = {
  uid: number;
  gid: number;
  /** Undefined: as they are, for who may not change them. */
  groups: readonly number[] | undefined;
  noNewPrivs: boolean;
  /** Capability bounding set, in hexadecimal; undefined: as it is, for who may not change it. */
  capabilityBound: string | undefined;
  /** In octal. */
  umask: string;
};

/** What the sidecar's own process is. */
export type SidecarIds = { uid: number; gid: number };

/** What is known before a session starts. */
export type Situation = {
  role: Role;
  entry: 'chroot' | 'toolbox';
  /** Always there for `chroot`. */
  app: AppProcess | undefined;
  /** What role root gets in the app; undefined: the app's own uid. */
  rootUid: number | undefined;
  /** What role limited gets; undefined: the pod has none for it. */
  limitedUid: number | undefined;
  /** Makes the users of role limited strangers to each other. */
  uidOffset: number;
  sidecar: SidecarIds;
};

const NO_CAPABILITIES = '0';

/** Why this pod has no such role, or undefined. A sidecar that is not root cannot make anybody less than itself. */
export function roleProblem(role: Role, { limitedUid, sidecar }: Pick<Situation, 'limitedUid' | 'sidecar'>) {
  if (role === 'root' || (limitedUid !== undefined && sidecar.uid === 0)) return undefined;
  return 'this pod has no role limited: every session here is the uid of the sidecar, and can read its host key';
}

/** Who a session runs as. The truth table is in the test. */
export function sessionIdentity(situation: Situation): Identity {
  const { role, entry, app, sidecar, rootUid, limitedUid } = situation;
  const problem = roleProblem(role, situation);
  // The connection was refused before: this is the second lock.
  if (problem !== undefined) throw new Error(problem);
  // Without privileges there is nobody else to become.
  if (sidecar.uid !== 0)
    return { ...unprivileged(sidecar.uid, sidecar.gid, role), groups: undefined, capabilityBound: undefined };
  const nobody = strangerTo(app, limitedUid ?? UNPRIVILEGED_IDS.limited) + situation.uidOffset;
  if (role === 'limited') return unprivileged(nobody, nobody, role);
  if (entry === 'chroot' && app !== undefined) return rootInApp(app, rootUid);
  // The pod's host key is in the sidecar's own mounts. Uid 0 could read it, and, where the pod has an fsGroup, so could
  // that group, which is often the app's.
  return unprivileged(rootUid === undefined || rootUid === 0 ? UNPRIVILEGED_IDS.toolbox : rootUid, nobody, role);
}

/** The webhook knows the ids in the pod, but not those in the images. */
function strangerTo(app: AppProcess | undefined, first: number): number {
  const theirs = app === undefined ? [] : [app.uid, app.gid, ...app.groups];
  const isTheirs = theirs.some((id) => id >= first && id < first + LIMITED_UIDS);
  return isTheirs ? strangerTo(app, first + LIMITED_UIDS) : first;
}

function rootInApp(app: AppProcess, rootUid: number | undefined): Identity {
  const { noNewPrivs, capabilityBound } = app;
  const common = { noNewPrivs, capabilityBound, umask: '022' };
  if (rootUid === undefined || rootUid === app.uid)
    return { ...common, uid: app.uid, gid: app.gid, groups: app.groups };
  return { ...common, capabilityBound: withoutChroot(capabilityBound), uid: rootUid, gid: rootUid, groups: [] };
}

// capability.h: CAP_SYS_CHROOT
const SYS_CHROOT = 1n << 18n;

/**
 * Uid 0 in an app that is not. With SYS_CHROOT it could leave the app's root for the sidecar's, and having all
 * capabilities that the sidecar has, look through /proc/<sidecar>/root (ptrace(2)): at the pod's host key, both times.
 * An app that is uid 0 itself can do so anyway, and its processes are only traced by who lacks nothing that they have.
 */
function withoutChroot(bound: string): string {
  return (BigInt(`0x${bound}`) & ~SYS_CHROOT).toString(16);
}

function unprivileged(uid: number, gid: number, role: Role): Identity {
  const umask = role === 'limited' ? '077' : '022';
  return { uid, gid, groups: [], noNewPrivs: true, capabilityBound: NO_CAPABILITIES, umask };
}
