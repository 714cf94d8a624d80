/** Which object: `namespace` is empty for cluster-scoped kinds. */
export type ObjectKey = { readonly namespace: string; readonly name: string };

/** `namespace/name`, the form of work queue keys, map keys and logs. */
export const keyOf = ({ namespace, name }: ObjectKey): string => `${namespace}/${name}`;

/** The reverse of {@link keyOf}; neither part can hold a slash. */
export function parseKey(key: string): ObjectKey {
  const slash = key.indexOf('/');
  return { namespace: key.slice(0, Math.max(slash, 0)), name: key.slice(slash + 1) };
}
