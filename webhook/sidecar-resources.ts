import * as z from 'zod';
import { allContainers, type Pod, type Resources } from './pod.ts';

/** The same as request and limit: what a container of a Guaranteed pod must have. */
export const GuaranteedResources = z.strictObject({
  cpu: z.union([z.string(), z.number()]),
  memory: z.union([z.string(), z.number()]),
});
export type ResourceSettings = { usual: Resources; guaranteed: z.infer<typeof GuaranteedResources> };

/** The sidecar's requests and limits, so that the pod keeps its QoS class and still fits its own pod-wide limits. */
export function sidecarResources(pod: Pod, { usual, guaranteed }: ResourceSettings): Resources {
  // Containers share pod-level resources, and the API server refuses pods whose containers ask for more than the pod.
  if (pod.spec.resources !== undefined) return {};
  return isGuaranteed(pod) ? { requests: guaranteed, limits: guaranteed } : usual;
}

/** Burstable pods lose exclusive CPUs and are evicted earlier, so a Guaranteed pod must stay one. */
function isGuaranteed(pod: Pod): boolean {
  return allContainers(pod).every(({ resources }) =>
    ['cpu', 'memory'].every((name) => {
      const limit = resources?.limits?.[name];
      const request = resources?.requests?.[name] ?? limit;
      return limit !== undefined && String(limit) === String(request);
    }),
  );
}
