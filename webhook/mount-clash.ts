import { SSH_RUNTIME_PATH } from '../crds/index.ts';
import type { MainContainerPlan } from './main-container-plan.ts';
import { mainContainerMounts } from './main-container-volumes.ts';
import { isAtOrBelow, normal } from './mount-path.ts';
import type { Container, Pod, Volume } from './pod.ts';

/**
 * True where our mounts and those of the target container cannot stand together: the API server would refuse the pod, or
 * the app would not start. Reads the pod without an earlier injection.
 *
 * | the pod's own mount, seen from ours | ours is a Secret's | ours is /ssh-runtime                                |
 * | ----------------------------------- | ------------------ | --------------------------------------------------- |
 * | at the same path                    | clash              | taken instead of ours; clash where it is of no use  |
 * | below                               | clash (1)          | fine                                                |
 * | above, read-only                    | clash (1)          | clash (1)                                           |
 * | above, writable                     | fine               | fine                                                |
 *
 * (1) The container runtime cannot make the mount point in what is read-only.
 */
export function mountsClash(pod: Pod, own: Container, plan: MainContainerPlan): boolean {
  const mounts = ownMounts(pod, own);
  const stands = (path: string, isWritable: boolean): boolean =>
    !mounts.some((mount) => mount.isReadOnly && isAtOrBelow(path, mount.path)) &&
    !mounts.some((mount) => (mount.isDevice || !isWritable) && isAtOrBelow(mount.path, path));
  const ours = mainContainerMounts(own, plan);
  return (
    ours.some(({ mountPath, readOnly }) => !stands(normal(mountPath), readOnly !== true)) ||
    (plan.setup !== 'unmanaged' && mounts.some((mount) => isUselessRuntime(mount, plan)))
  );
}

type OwnMount = { path: string; isReadOnly: boolean; isDevice: boolean; isComputed: boolean };

function ownMounts({ spec }: Pod, { volumeMounts = [], volumeDevices = [] }: Container): OwnMount[] {
  const readOnly = new Set((spec.volumes ?? []).filter(isReadOnly).map(({ name }) => name));
  return [
    ...volumeMounts.map((mount) => ({
      path: normal(mount.mountPath),
      isReadOnly: mount.readOnly === true || readOnly.has(mount.name),
      isDevice: false,
      isComputed: mount.subPathExpr !== undefined,
    })),
    ...volumeDevices.map(({ devicePath }) => ({
      path: normal(devicePath),
      isReadOnly: false,
      isDevice: true,
      isComputed: false,
    })),
  ];
}

/** Nothing can be written there; or the init container cannot find it, by variables that only the target has. */
const isUselessRuntime = ({ path, isReadOnly: fixed, isComputed }: OwnMount, { setup }: MainContainerPlan): boolean =>
  (fixed && path === SSH_RUNTIME_PATH) || (setup === 'image' && isComputed && isAtOrBelow(path, SSH_RUNTIME_PATH));

/** Kinds of volumes that are mounted read-only whatever the mount says. */
const READ_ONLY: ReadonlySet<string> = new Set(['secret', 'configMap', 'downwardAPI', 'projected', 'image']);

const isReadOnly = (volume: Volume): boolean =>
  Object.entries(volume).some(
    ([kind, source]) =>
      READ_ONLY.has(kind) ||
      (typeof source === 'object' && source !== null && 'readOnly' in source && source.readOnly === true),
  );
