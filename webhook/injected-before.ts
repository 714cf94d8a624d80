import {
  ANNOTATION_INJECTED,
  InjectionRecord,
  MOST_RECORD_LENGTH,
  SIDECAR_CONTAINER,
  SIDECAR_VOLUME,
} from '../crds/index.ts';
import { has } from './named-list.ts';
import type { Pod } from './pod.ts';

/**
 * The record of an earlier injection: our annotation, and what that injection put there. A pod made from a copy of an
 * injected one has both, and so has every pod in the second round that another webhook's change causes
 * (reinvocationPolicy IfNeeded).
 */
export function injectedBefore({ metadata, spec }: Pod): InjectionRecord | undefined {
  const annotation = metadata.annotations?.[ANNOTATION_INJECTED];
  if (annotation === undefined || annotation.length > MOST_RECORD_LENGTH) return undefined;
  try {
    const record = InjectionRecord.parse(JSON.parse(annotation));
    const isThere = {
      sidecar: () => has(spec.initContainers ?? [], SIDECAR_CONTAINER),
      main_container: () => has(spec.volumes ?? [], SIDECAR_VOLUME),
    };
    return isThere[record.runtime]() ? record : undefined;
  } catch {
    // Not what we write: then the container is not ours either, and the clash is reported.
    return undefined;
  }
}
