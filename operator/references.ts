/** What an SshAccess refers to, each as one text: a change of that object concerns the SshAccess. */
import { routeSecretName } from '../crds/index.ts';
import { keyOf, type ObjectKey } from '../lib/kube/object-key.ts';
import type { CachedAccess } from './cached-access.ts';
import type { TargetKind } from './resources.ts';

export const secretReference = (secret: ObjectKey): string => `secret ${keyOf(secret)}`;
export const namespaceReference = (namespace: string): string => `namespace ${namespace}`;
export const routeReference = (secretName: string): string => `route ${secretName}`;
export const workloadReference = (kind: TargetKind, { namespace, name }: ObjectKey): string =>
  `target ${namespace}/${kind}/${name}`;

/** Undefined: it cannot be read, and so has none. */
export function targetReference({ metadata: { namespace }, access }: CachedAccess): string | undefined {
  if (access === undefined) return undefined;
  const { kind, name } = access.spec.target;
  return workloadReference(kind, { namespace, name });
}

/** All of them. */
export function referencesOf(cached: CachedAccess): readonly string[] {
  const { metadata, access } = cached;
  const { namespace, uid } = metadata;
  const target = targetReference(cached);
  return [
    namespaceReference(namespace),
    routeReference(routeSecretName(uid)),
    ...(target === undefined ? [] : [target]),
    ...new Set((access?.spec.users ?? []).map(({ secretRef: { name } }) => secretReference({ namespace, name }))),
  ];
}
