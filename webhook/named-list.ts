/** Kubernetes' lists of named things: containers, volumes, variables. */
export type Named = { name: string };

export const has = (list: readonly Named[], name: string): boolean => list.some((item) => item.name === name);

const replace = <T extends Named>(list: readonly T[], item: T): T[] =>
  list.map((old) => (old.name === item.name ? item : old));

/** `item` in the place of its namesake, else first. */
const putFirst = <T extends Named>(list: readonly T[], item: T): T[] =>
  has(list, item.name) ? replace(list, item) : [item, ...list];

/** `item` in the place of its namesake, else last. */
const putLast = <T extends Named>(list: readonly T[], item: T): T[] =>
  has(list, item.name) ? replace(list, item) : [...list, item];

/** Every one of `items` in the place of its namesake, else last. */
export const putAll = <T extends Named>(list: readonly T[], items: readonly T[]): T[] =>
  items.reduce<T[]>(putLast, [...list]);

const put = { first: putFirst, last: putLast };

/**
 * `wanted` in the places of their namesakes, else `where` it says; of `ours`, what is not wanted is gone.
 * undefined: there was no list, and none is needed.
 */
export function exchange<T extends Named>(
  list: readonly T[] | undefined,
  ours: readonly string[],
  wanted: readonly T[],
  where: keyof typeof put = 'last',
): T[] | undefined {
  if (list === undefined && wanted.length === 0) return undefined;
  const kept = (list ?? []).filter(({ name }) => !ours.includes(name) || has(wanted, name));
  return wanted.reduce<T[]>(put[where], kept);
}
