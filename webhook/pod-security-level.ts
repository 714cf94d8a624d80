import * as z from 'zod';

/** The levels of the Pod Security Standards, from the widest to the strictest. */
export const PodSecurityLevel = z.enum(['privileged', 'baseline', 'restricted']);
export type PodSecurityLevel = z.infer<typeof PodSecurityLevel>;

const ENFORCE = 'pod-security.kubernetes.io/enforce';

/**
 * The level that a namespace enforces. The version label (enforce-version) changes no rule that our sidecar comes near.
 * @param fallback what the cluster's admission configuration sets for namespaces without the label
 */
export function podSecurityLevel(
  labels: Readonly<Record<string, string>>,
  fallback: PodSecurityLevel,
): PodSecurityLevel {
  const label = labels[ENFORCE];
  if (label === undefined) return fallback;
  const level = PodSecurityLevel.safeParse(label);
  // A value that is no level makes Pod Security admission itself fall back to restricted.
  return level.success ? level.data : 'restricted';
}
