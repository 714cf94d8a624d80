import type { Endpoint, EndpointSliceObject } from './objects.ts';

/** `ready` and `not-ready` are the pod's own readiness; a `terminating` pod still answers until it is gone. */
export type PodState = 'ready' | 'not-ready' | 'terminating';
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
      // Kubernetes puts exactly one address into an endpoint that matters, and may list it in two slices for a moment.
      const address = endpoint.addresses[0];
      if (address === undefined || !allowed(address) || pods.has(address)) continue;
      pods.set(address, { name: nameOf(endpoint) ?? address, address, state: stateOf(endpoint) });
    }
  }
  return [...pods.values()];
}

/**
 * The Service publishes not-ready addresses, so `conditions.ready` is always true; `serving` is the pod's readiness.
 * Kubernetes asks consumers to read an absent one as true.
 */
function stateOf({ conditions }: Endpoint): PodState {
  if (conditions?.terminating === true) return 'terminating';
  return conditions?.serving === false ? 'not-ready' : 'ready';
}

/** A tenant may write EndpointSlices, and the API server takes any text there; people read it on their terminals. */
function nameOf({ targetRef }: Endpoint): string | undefined {
  const name = targetRef?.name ?? '';
  return /^[a-z0-9][-a-z0-9.]{0,252}$/.test(name) ? name : undefined;
}
