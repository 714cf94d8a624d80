/**
 * The cluster autoscaler moves no pod with local storage on disk, unless this annotation names the volumes, separated by
 * commas. Nothing in ours need outlive the pod, and ssh must not keep a node from being scaled down.
 */
const ANNOTATION = 'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes';

/** The value with `volume` in it, and without; as undefined: without the annotation. */
export function evictableVolumes(
  annotations: Readonly<Record<string, string>> | undefined,
  volume: string,
  isWanted: boolean,
): Record<string, string | undefined> {
  const present = annotations?.[ANNOTATION];
  const named = present?.split(',').filter((name) => name !== '') ?? [];
  if (named.includes(volume) === isWanted) return { [ANNOTATION]: present };
  const names = isWanted ? [...named, volume] : named.filter((name) => name !== volume);
  return { [ANNOTATION]: names.length === 0 ? undefined : names.join(',') };
}
