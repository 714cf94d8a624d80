import { LASTING_SKIPS } from '../crds/index.ts';

/** Why a pod was left as it is. The key goes to the log and the audit annotation, the sentence to whoever made the pod. */
export const SKIP_REASONS = {
  'not-a-pod-create': 'only the creation of a pod is injected',
  'not-selected': 'the pod has no label sshaccess.dev/access',
  'system-namespace': 'the namespace of sshaccess itself is never injected',
  'mirror-pod': "a static pod belongs to its node's kubelet and can have no Secret",
  'access-not-found': 'no SshAccess of the name in the label is in this namespace; create it, then recreate the pod',
  'access-deleting': 'the SshAccess is being deleted',
  'namespace-not-found': 'the namespace is not known yet; recreate the pod',
  ...LASTING_SKIPS,
} as const;
export type SkipReason = keyof typeof SKIP_REASONS;
