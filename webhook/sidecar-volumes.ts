import { podSecretName, SIDECAR_SECRET_PATH, SIDECAR_VOLUME } from '../crds/index.ts';
import type { Volume } from './pod.ts';

const TMP_VOLUME = `${SIDECAR_VOLUME}-tmp`;
const NO_TOKEN_VOLUME = `${SIDECAR_VOLUME}-no-token`;
/** The names that we put into spec.volumes. */
export const SIDECAR_VOLUMES: readonly string[] = [SIDECAR_VOLUME, TMP_VOLUME, NO_TOKEN_VOLUME];

/** Where the ServiceAccount admission mounts the token into every container that mounts nothing there itself. */
const TOKEN_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';

const READABLE_BY_ROOT = 0o400;
// Secrets belong to uid 0; only a pod-wide fsGroup could give them to another, and would change the app's volumes.
const READABLE_BY_THE_SIDECAR = 0o444;

export function sidecarVolumes(access: string, runAsUser: number | undefined): Volume[] {
  const secret = {
    secretName: podSecretName(access),
    defaultMode: runAsUser === 0 ? READABLE_BY_ROOT : READABLE_BY_THE_SIDECAR,
    // The app never waits for ssh: without it a late Secret would hold the pod in ContainerCreating.
    optional: true,
  };
  return [
    { name: SIDECAR_VOLUME, secret },
    // Memory: local storage on disk would keep the cluster autoscaler from moving the pod.
    { name: TMP_VOLUME, emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } },
    { name: NO_TOKEN_VOLUME, emptyDir: { medium: 'Memory', sizeLimit: '4Ki' } },
  ];
}

export const SIDECAR_MOUNTS = [
  { name: SIDECAR_VOLUME, mountPath: SIDECAR_SECRET_PATH, readOnly: true },
  // Sessions in the toolbox have their home there; all else is read-only.
  { name: TMP_VOLUME, mountPath: '/tmp' },
  { name: NO_TOKEN_VOLUME, mountPath: TOKEN_PATH, readOnly: true },
];
