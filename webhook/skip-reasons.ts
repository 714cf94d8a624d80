import { SIDECAR_CONTAINER, SSH_INIT_PATH, SSH_PORT, SSH_RUNTIME_PATH, SSH_SECRET_PATH } from '../crds/index.ts';

/** Why a pod was left as it is. The key goes to the log and the audit annotation, the sentence to whoever made the pod. */
export const SKIP_REASONS = {
  'not-a-pod-create': 'only the creation of a pod is injected',
  'not-selected': 'the pod has no label sshaccess.dev/access',
  'system-namespace': 'the namespace of sshaccess itself is never injected',
  'mirror-pod': "a static pod belongs to its node's kubelet and can have no Secret",
  'access-not-found': 'no SshAccess of the name in the label is in this namespace; create it, then recreate the pod',
  'access-deleting': 'the SshAccess is being deleted',
  'namespace-not-found': 'the namespace is not known yet; recreate the pod',
  windows: 'Windows nodes have no Linux sshd',
  'host-network': 'the pod uses the network of its node, where its port for ssh would be open to everybody',
  'host-pid': "the pod sees its node's processes, among which the app's cannot be told from those of other tenants",
  'container-not-found': 'the pod has no container of the name in spec.target.container',
  'name-taken': `the pod has a container or volume of its own with a name of ours (${SIDECAR_CONTAINER}, or beginning so); rename it`,
  'port-taken': `a container of the pod declares the port that ssh needs (${SSH_PORT}, or spec.mainContainer.port); move it`,
  'mount-taken': `a mount of the container is where ssh needs its own (${SSH_INIT_PATH}, ${SSH_SECRET_PATH}, authorizedKeysPath), or is read-only and holds that or ${SSH_RUNTIME_PATH}; mount it elsewhere`,
  'organization-invalid':
    'usernames cannot begin with the organization (label of the namespace); correct it and recreate the pod',
} as const;
export type SkipReason = keyof typeof SKIP_REASONS;
