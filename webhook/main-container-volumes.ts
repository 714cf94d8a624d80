import {
  podSecretName,
  POD_SECRET_KEYS,
  SSH_INIT_PATH,
  SSH_RUNTIME_PATH,
  SSH_SECRET_PATH,
  SSHD_SECRET_KEYS,
} from '../crds/index.ts';
import type { MainContainerPlan } from './main-container-plan.ts';
import { isAtOrBelow, normal } from './mount-path.ts';
import { VOLUMES } from './our-names.ts';
import type { Container, Mount, Volume } from './pod.ts';
import { NO_TOKEN, READABLE_BY_ALL } from './sidecar-volumes.ts';

const EXECUTABLE_BY_ALL = 0o555;

/** What each setup takes from the pod's Secret: an image that has a host key of its own is not given ours. */
const KEYS = {
  'init-script': [POD_SECRET_KEYS.hostKey, POD_SECRET_KEYS.mappingKeyPublic, SSHD_SECRET_KEYS.settings],
  image: [POD_SECRET_KEYS.mappingKeyPublic],
  unmanaged: [POD_SECRET_KEYS.mappingKeyPublic],
} as const;

/** @param own the target container without an earlier injection */
export function mainContainerVolumes(own: Container, { setup }: MainContainerPlan, access: string): Volume[] {
  const secret = (name: string, defaultMode: number, keys: readonly string[]): Volume => ({
    name,
    secret: {
      secretName: podSecretName(access),
      defaultMode,
      items: keys.map((key) => ({ key, path: key })),
      // The app never waits for ssh: a Secret that is late or gone must not hold the pod in ContainerCreating.
      optional: true,
    },
  });
  return [
    secret(VOLUMES.secret, READABLE_BY_ALL, KEYS[setup]),
    ...(setup === 'init-script' ? [secret(VOLUMES.init, EXECUTABLE_BY_ALL, [SSHD_SECRET_KEYS.initScript])] : []),
    // On disk, unlike the sidecar's: the users' home is in it, and what they put there is not the app's memory.
    ...(needsRuntime(own, setup) ? [{ name: VOLUMES.runtime, emptyDir: {} }] : []),
    ...(setup === 'image' ? [NO_TOKEN.volume] : []),
  ];
}

/** Those of the target container. */
export function mainContainerMounts(own: Container, plan: MainContainerPlan): Mount[] {
  if (plan.setup === 'unmanaged') {
    // Where the Secret is late, the kubelet makes a directory of that name, and sshd takes no key from it.
    const subPath = POD_SECRET_KEYS.mappingKeyPublic;
    return [{ name: VOLUMES.secret, mountPath: plan.authorizedKeysPath, subPath, readOnly: true }];
  }
  return [
    ...(plan.setup === 'init-script'
      ? [
          { name: VOLUMES.secret, mountPath: SSH_SECRET_PATH, readOnly: true },
          { name: VOLUMES.init, mountPath: SSH_INIT_PATH, readOnly: true },
        ]
      : []),
    ...(needsRuntime(own, plan.setup) ? [{ name: VOLUMES.runtime, mountPath: SSH_RUNTIME_PATH }] : []),
  ];
}

/** A volume of the pod's own at /ssh-runtime is the one that the image was given. */
const needsRuntime = (own: Container, setup: MainContainerPlan['setup']): boolean =>
  setup !== 'unmanaged' && !(own.volumeMounts ?? []).some(({ mountPath }) => normal(mountPath) === SSH_RUNTIME_PATH);

/** /ssh-runtime and what is mounted below it, for the init container to write where the target will read. */
export function runtimeMounts(own: Container, plan: MainContainerPlan): Mount[] {
  return [...(own.volumeMounts ?? []), ...mainContainerMounts(own, plan)]
    .filter(({ mountPath }) => isAtOrBelow(normal(mountPath), SSH_RUNTIME_PATH))
    .map(({ name, mountPath, subPath, readOnly }) => ({
      // And no more: mountPropagation, say, is for the privileged.
      name,
      mountPath,
      ...(subPath !== undefined && { subPath }),
      ...(readOnly !== undefined && { readOnly }),
    }));
}
