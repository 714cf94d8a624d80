import { createHash } from 'node:crypto';
import type { Endpoint, EndpointSliceObject } from './objects.ts';

/** `ready` and `not-ready` are the pod's own readiness; a `terminating` pod still answers until it is gone. */
export type PodState = 'ready' | 'not-ready' | 'terminating';
export type Pod = { name: string; address: string; state: PodState };

const PREFERENCE: Readonly<Record<PodState, number>> = { ready: 0, 'not-ready': 1, terminating: 2 };

/** The pods behind the slices of one Service. An address that `allowed` refuses is no pod. */
export function podsOf(slices: Iterable<EndpointSliceObject>, allowed: (address: string) => boolean): Pod[] {
  const pods = new Map<string, Pod>();
  for (const { endpoints } of slices) {
    for (const endpoint of endpoints) {
      // Kubernetes puts exactly one address into an endpoint that matters, and may list it in two slices for a moment.
      const address = endpoint.addresses[0];
      if (address === undefined || !allowed(address) || pods.has(address)) continue;
      pods.set(address, { name: nameOf(endpoint) ?? address, address, state: stateOf(endpoint) });
    }
  }
  return [...pods.values()];
}

/**
 * The order in which to try pods for one key: ready before not ready before terminating, and among equals by rendezvous
 * hash, so that the same key lands on the same pod on every replica of the piper, and moves only when that pod goes.
 */
export function inOrder(pods: readonly Pod[], fingerprint: string): Pod[] {
  return pods
    .map((pod) => ({ pod, weight: weightOf(pod, fingerprint) }))
    .toSorted((a, b) => PREFERENCE[a.pod.state] - PREFERENCE[b.pod.state] || (a.weight < b.weight ? 1 : -1))
    .map(({ pod }) => pod);
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

function weightOf(pod: Pod, fingerprint: string): string {
  return createHash('sha256').update(`${fingerprint}\0${pod.name}`).digest('hex');
}
