/** Pure: pods that outlived the SshAccess that they were started for, and still have its keys. */
import type { AccessPod } from './access-pod.ts';
import type { Metadata } from './cached-access.ts';
import { serverIn } from './serving.ts';

/** Until when the kubelet has brought the keys of this SshAccess into all pods; undefined: that is long over. */
export function mountsOldUntil(keysSince: string | undefined, secretDelayMs: number, now: Date): Date | undefined {
  const until = new Date(Date.parse(keysSince ?? '') + secretDelayMs);
  return until > now ? until : undefined;
}

/**
 * An SshAccess that is deleted and made again has new keys: the private half of those before went with its route, so that they
 * cannot be kept. Pods that are older than it may still show the old ones, and nobody would get in. (One with an sshd of its own
 * is looked at by the prober.)
 */
export function markOldMounts(
  pods: readonly AccessPod[],
  { creationTimestamp }: Pick<Metadata, 'creationTimestamp'>,
  until: Date | undefined,
): readonly AccessPod[] {
  if (until === undefined) return pods;
  const waiting = `it was started for an SshAccess of this name before, and learns the keys of this one until ${until.toISOString()}`;
  const isOld = ({ record, createdAt }: AccessPod): boolean =>
    record !== undefined && serverIn(record) === 'sidecar' && inSeconds(createdAt) < inSeconds(creationTimestamp);
  return pods.map((pod) => (isOld(pod) ? { ...pod, isReady: false, waiting } : pod));
}

/** As Kubernetes tells times: which of two in one second was first, nobody knows. */
const inSeconds = (time: string): number => Math.floor(Date.parse(time) / 1_000);
