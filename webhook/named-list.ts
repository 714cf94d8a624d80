/** Kubernetes' lists of named things: containers, volumes, variables. */
export type Named = { name: string };

export const has = (list: readonly Named[], name: string): boolean => list.some((item) => item.name === name);

const replace = <T extends Named>(list: readonly T[], item: T): T[] =>
  list.map((old) => (old.name === item.name ? item : old));

/** `item` in the place of its namesake, else first. */
export const putFirst = <T extends Named>(list: readonly T[], item: T): T[] =>
  has(list, item.name) ? replace(list, item) : [item, ...list];

/** `item` in the place of its namesake, else last. */
export const putLast = <T extends Named>(list: readonly T[], item: T): T[] =>
  has(list, item.name) ? replace(list, item) : [...list, item];

/** Every one of `items` in the place of its namesake, else last. */
export const putAll = <T extends Named>(list: readonly T[], items: readonly T[]): T[] =>
  items.reduce<T[]>(putLast, [...list]);
