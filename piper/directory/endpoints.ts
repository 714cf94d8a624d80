import type { EndpointSliceObject, PodState } from './objects.ts';

/** `seen`: when we first saw it, in milliseconds since the epoch. */
export type Pod = { name: string; address: string; state: PodState; seen: number };

/**
 * As many as a large cluster has nodes. Whoever may write EndpointSlices can write any number into their Service, and the
 * logins of all others wait while we go through them.
 */
export const MOST_ENDPOINTS = 5_000;

/**
 * The pods behind the slices of one Service, without when they were seen. An address that `allowed` refuses is no pod.
 * Of more than {@link MOST_ENDPOINTS} the rest is not looked at.
 */
export function podsOf(
  slices: Iterable<EndpointSliceObject>,
  allowed: (address: string) => boolean,
): Omit<Pod, 'seen'>[] {
  const pods = new Map<string, Omit<Pod, 'seen'>>();
  let looked = 0;
  for (const { endpoints } of slices) {
    for (const endpoint of endpoints) {
      if (++looked > MOST_ENDPOINTS) return [...pods.values()];
      const { address, name, state } = endpoint;
      // Kubernetes may list one in two slices for a moment.
      if (!allowed(address) || pods.has(address)) continue;
      pods.set(address, { name: name ?? address, address, state });
    }
  }
  return [...pods.values()];
}
