import { SIDECAR_CONTAINER, SSH_PORT } from '../crds/index.ts';

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
  'host-network': `the pod uses the network of its node, where port ${SSH_PORT} would be open to everybody`,
  'host-pid': "the pod sees its node's processes, among which the app's cannot be told from those of other tenants",
  'container-not-found': 'the pod has no container of the name in spec.target.container',
  'name-taken': `the pod already has a container or a volume of its own named ${SIDECAR_CONTAINER}; rename it`,
  'port-taken': `a container of the pod declares port ${SSH_PORT}, which ssh needs; move it`,
} as const;
export type SkipReason = keyof typeof SKIP_REASONS;
