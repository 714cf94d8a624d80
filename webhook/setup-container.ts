import {
  CONTRACT_ID,
  POD_SECRET_KEYS,
  SETUP_CONTAINER,
  SSH_AUTHORIZED_KEYS_PATH,
  SSH_SECRET_PATH,
} from '../crds/index.ts';
import type { OwnPod } from './injection.ts';
import type { MainContainerPlan } from './main-container-plan.ts';
import { runtimeMounts } from './main-container-volumes.ts';
import { VOLUMES } from './our-names.ts';
import type { Container, Resources } from './pod.ts';
import { confinement } from './security-context.ts';
import { sessionIds } from './session-ids.ts';
import type { SidecarImage } from './sidecar-container.ts';
import type { ResourceSettings } from './sidecar-resources.ts';
import { NO_TOKEN } from './sidecar-volumes.ts';

/**
 * From the file $1 to the file $2, which is there as a whole or not at all. Whatever fails, it ends well: the app never
 * waits for ssh. The modes are those that sshd's StrictModes wants.
 */
export const SETUP_SCRIPT = `
umask 077
mkdir -p "\${2%/*}" && cat "$1" >"$2.new" && mv -f "$2.new" "$2" ||
  echo "sshaccess: the key of the gateway is not in $2, so nobody can log in; recreate the pod" >&2
`.trim();

const KEY = `${SSH_SECRET_PATH}/${POD_SECRET_KEYS.mappingKeyPublic}`;

/** One copy of one small file. */
export const SETUP_RESOURCES: ResourceSettings = {
  usual: { requests: { cpu: '10m', memory: '16Mi' }, limits: { cpu: '200m', memory: '64Mi' } },
  guaranteed: { cpu: '100m', memory: '64Mi' },
};

/**
 * Puts the key of the gateway where an image that sets its sshd up itself looks for it, and changes its mode: so it can be
 * no mount, must be there before the app starts, and must belong to the uid that the image's own set-up runs as.
 *
 * Fields that the API server would default are written out, so that a second round of admission finds nothing to change.
 */
export function setupContainer(
  { image, pullPolicy }: SidecarImage,
  { own, target }: OwnPod,
  plan: MainContainerPlan,
  resources: Resources,
): Container {
  const ids = sessionIds(own, target);
  const uid = ids.uid ?? CONTRACT_ID;
  return {
    name: SETUP_CONTAINER,
    image,
    imagePullPolicy: pullPolicy,
    command: ['/opt/sshaccess/busybox', 'sh', '-c', SETUP_SCRIPT, SETUP_CONTAINER, KEY, SSH_AUTHORIZED_KEYS_PATH],
    // The NVIDIA runtime gives every GPU to a container that does not say otherwise.
    env: [{ name: 'NVIDIA_VISIBLE_DEVICES', value: 'void' }],
    resources,
    securityContext: {
      runAsUser: uid,
      runAsGroup: ids.gid ?? CONTRACT_ID,
      runAsNonRoot: uid !== 0,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      ...confinement(own, target),
    },
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    volumeMounts: [
      { name: VOLUMES.secret, mountPath: SSH_SECRET_PATH, readOnly: true },
      NO_TOKEN.mount,
      ...runtimeMounts(target, plan),
    ],
  };
}
