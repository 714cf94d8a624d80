import { podSecretName, SIDECAR_SECRET_PATH } from '../crds/index.ts';
import { VOLUMES } from './our-names.ts';
import type { Volume } from './pod.ts';

/** Where the ServiceAccount admission mounts the token into every container that mounts nothing there itself. */
const TOKEN_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';

const READABLE_BY_ROOT = 0o400;
// Secrets belong to uid 0; only a pod-wide fsGroup could give them to another, and would change the app's volumes.
export const READABLE_BY_ALL = 0o444;

/** Keeps the token of the pod's ServiceAccount out of a container of ours. */
export const NO_TOKEN = {
  volume: { name: VOLUMES.noToken, emptyDir: { medium: 'Memory', sizeLimit: '4Ki' } },
  mount: { name: VOLUMES.noToken, mountPath: TOKEN_PATH, readOnly: true },
};

export function sidecarVolumes(access: string, runAsUser: number | undefined): Volume[] {
  const secret = {
    secretName: podSecretName(access),
    defaultMode: runAsUser === 0 ? READABLE_BY_ROOT : READABLE_BY_ALL,
    // The app never waits for ssh: without it a late Secret would hold the pod in ContainerCreating.
    optional: true,
  };
  return [
    { name: VOLUMES.secret, secret },
    // Memory: local storage on disk would keep the cluster autoscaler from moving the pod.
    { name: VOLUMES.tmp, emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } },
    NO_TOKEN.volume,
  ];
}

export const SIDECAR_MOUNTS = [
  { name: VOLUMES.secret, mountPath: SIDECAR_SECRET_PATH, readOnly: true },
  // Sessions in the toolbox have their home there; all else is read-only.
  { name: VOLUMES.tmp, mountPath: '/tmp' },
  NO_TOKEN.mount,
];
