import type { Role } from '../crds/session-policy.ts';
import type { AppProcess } from './app-process.ts';

/** What a session's processes are. */
export type Identity = {
  uid: number;
  gid: number;
  groups: readonly number[];
  noNewPrivs: boolean;
  /** Capability bounding set, in hexadecimal; undefined: as it is, for who may not change it. */
  capabilityBound: string | undefined;
  /** In octal. */
  umask: string;
};

/** What the sidecar's own process is. */
export type SidecarIds = { uid: number; gid: number; groups: readonly number[] };

/** What is known before a session starts. */
export type Situation = {
  role: Role;
  entry: 'chroot' | 'toolbox';
  /** Always there for `chroot`. */
  app: AppProcess | undefined;
  /** What role root gets in the app; undefined: the app's own uid. */
  rootUid: number | undefined;
  sidecar: SidecarIds;
};

/** Nobody's ids: no image that we know has a user there. The second is for apps that run as the first. */
const LIMITED_ID = 61_000;
const OTHER_ID = 61_001;

const NO_CAPABILITIES = '0';

/** Who a session runs as. The truth table is in the test. */
export function sessionIdentity(situation: Situation): Identity {
  const { role, entry, app, sidecar } = situation;
  // Without privileges there is nobody else to become.
  if (sidecar.uid !== 0)
    return { ...unprivileged(sidecar.uid, sidecar.gid, role), ...sidecar, capabilityBound: undefined };
  if (role === 'limited') return limited(app?.uid ?? situation.rootUid);
  if (entry === 'chroot' && app !== undefined) return rootInApp(app, situation.rootUid);
  return rootInToolbox(app, situation.rootUid);
}

function rootInApp(app: AppProcess, rootUid: number | undefined): Identity {
  const { noNewPrivs, capabilityBound } = app;
  const common = { noNewPrivs, capabilityBound, umask: '022' };
  if (rootUid === undefined || rootUid === app.uid)
    return { ...common, uid: app.uid, gid: app.gid, groups: app.groups };
  return { ...common, uid: rootUid, gid: rootUid, groups: [] };
}

// Never uid 0 here: it could read the pod's host key in the sidecar's own mounts. The app's ids reach its files
// under /proc/<pid>/root.
function rootInToolbox(app: AppProcess | undefined, rootUid: number | undefined): Identity {
  if (app !== undefined && app.uid !== 0) return unprivileged(app.uid, app.gid, 'root');
  const uid = rootUid === undefined || rootUid === 0 ? OTHER_ID : rootUid;
  return unprivileged(uid, uid, 'root');
}

function limited(appUid: number | undefined): Identity {
  const id = appUid === LIMITED_ID ? OTHER_ID : LIMITED_ID;
  return unprivileged(id, id, 'limited');
}

function unprivileged(uid: number, gid: number, role: Role): Identity {
  const umask = role === 'limited' ? '077' : '022';
  return { uid, gid, groups: [], noNewPrivs: true, capabilityBound: NO_CAPABILITIES, umask };
}
