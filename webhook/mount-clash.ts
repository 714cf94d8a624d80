import { SSH_RUNTIME_PATH } from '../crds/index.ts';
import type { MainContainerPlan } from './main-container-plan.ts';
import { mainContainerMounts } from './main-container-volumes.ts';
import { isAtOrBelow, normal } from './mount-path.ts';
import type { Container, Mount, Pod } from './pod.ts';

/**
 * True where our mounts and those of the target container cannot stand together: the API server would refuse the pod, or
 * the app would not start. Reads the pod without an earlier injection.
 *
 * | the pod's own mount, seen from ours | ours is a Secret's | ours is /ssh-runtime                               |
 * | ----------------------------------- | ------------------ | -------------------------------------------------- |
 * | at the same path                    | clash              | taken instead of ours; clash where it is read-only |
 * | below                               | clash (1)          | fine                                               |
 * | above, read-only                    | clash (1)          | clash (1)                                          |
 * | above, writable                     | fine               | fine                                               |
 *
 * (1) The container runtime cannot make the mount point in what is read-only.
 */
export function mountsClash(pod: Pod, own: Container, plan: MainContainerPlan): boolean {
  const mounts = (own.volumeMounts ?? []).map((mount) => ({
    path: normal(mount.mountPath),
    isReadOnly: isReadOnly(pod, mount),
    isComputed: mount.subPathExpr !== undefined,
  }));
  const devices = (own.volumeDevices ?? []).map(({ devicePath }) => normal(devicePath));
  const isTaken = ({ path, writable }: { path: string; writable: boolean }): boolean =>
    devices.some((device) => isAtOrBelow(device, path)) ||
    mounts.some((mount) => mount.isReadOnly && isAtOrBelow(path, mount.path)) ||
    (!writable && mounts.some((mount) => isAtOrBelow(mount.path, path)));
  const wanted = mainContainerMounts(own, plan).map(({ mountPath, readOnly }) => ({
    path: normal(mountPath),
    writable: readOnly !== true,
  }));
  const unusable = mounts.some(
    ({ path, isReadOnly: fixed, isComputed }) =>
      // The name of the directory is made of the target's variables, which the init container does not have.
      (fixed && path === SSH_RUNTIME_PATH) ||
      (plan.setup === 'image' && isComputed && isAtOrBelow(path, SSH_RUNTIME_PATH)),
  );
  return wanted.some(isTaken) || (plan.setup !== 'unmanaged' && unusable);
}

/** Kinds of volumes that are mounted read-only whatever the mount says. */
const READ_ONLY = ['secret', 'configMap', 'downwardAPI', 'projected', 'image'];

function isReadOnly({ spec }: Pod, { name, readOnly }: Mount): boolean {
  if (readOnly === true) return true;
  const volume = spec.volumes?.find((one) => one.name === name) ?? { name };
  return Object.entries(volume).some(
    ([kind, source]) =>
      READ_ONLY.includes(kind) ||
      (typeof source === 'object' && source !== null && 'readOnly' in source && source.readOnly === true),
  );
}
