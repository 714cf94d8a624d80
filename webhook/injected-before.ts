import { ANNOTATION_INJECTED, InjectionRecord, SIDECAR_CONTAINER } from '../crds/index.ts';
import type { Pod } from './pod.ts';

/**
 * The record of an earlier injection: our annotation and our container, both. A pod made from a copy of an injected one
 * has them, and so has every pod in the second round that another webhook's change causes (reinvocationPolicy IfNeeded).
 */
export function injectedBefore(pod: Pod): InjectionRecord | undefined {
  const present = pod.spec.initContainers?.some(({ name }) => name === SIDECAR_CONTAINER) ?? false;
  const annotation = pod.metadata.annotations?.[ANNOTATION_INJECTED];
  if (!present || annotation === undefined) return undefined;
  try {
    return InjectionRecord.parse(JSON.parse(annotation));
  } catch {
    // Not what we write: then the container is not ours either, and the clash is reported.
    return undefined;
  }
}
