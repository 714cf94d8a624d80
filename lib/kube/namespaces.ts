/** Which namespaces a program looks at, and how it follows a kind in them. */
import type { KubeClient } from './client.ts';
import { Informer, type InformerOptions } from './informer.ts';
import type { ObjectKey } from './object-key.ts';
import { NAMESPACES, pathOf, type Resource } from './resources.ts';

/** Their names; undefined: all, by one watch of the whole cluster. */
export type WatchedNamespaces = readonly string[] | undefined;

/** `a,b` of an environment variable; empty: all. */
export function parseNamespaces(text: string): WatchedNamespaces {
  const names = text.split(',').filter((name) => name !== '');
  return names.length === 0 ? undefined : [...new Set(names)];
}

/** A local copy of a kind, of the whole cluster or of some namespaces. */
export type Collection<T> = Pick<Informer<T>, 'get' | 'list' | 'keys' | 'start' | 'synced' | 'lastContact'>;

type CollectionOptions<T> = Omit<InformerOptions<T>, 'path' | 'mayBeRefused'> & { client: KubeClient };

/**
 * Follows a namespaced kind. Of some namespaces each has a watch of its own, which is all that a Role there allows. One that is
 * not there yet, or where our Role is missing, keeps nobody from serving the others.
 */
export function follow<T>(
  resource: Resource,
  namespaces: WatchedNamespaces,
  options: CollectionOptions<T>,
): Collection<T> {
  if (namespaces === undefined) return new Informer({ ...options, path: pathOf(resource) });
  const within = (namespace: string) =>
    new Informer({ ...options, path: pathOf(resource, { namespace }), mayBeRefused: true });
  return new Merged(new Map(namespaces.map((name) => [name, within(name)])), ({ namespace }) => namespace);
}

/** Follows the Namespaces themselves: RBAC lets one be watched by its name, where the watch asks for no other. */
export function followNamespaces<T>(namespaces: WatchedNamespaces, options: CollectionOptions<T>): Collection<T> {
  const path = pathOf(NAMESPACES);
  if (namespaces === undefined) return new Informer({ ...options, path });
  const named = (name: string) =>
    new Informer({ ...options, path, fieldSelector: `metadata.name=${name}`, mayBeRefused: true });
  return new Merged(new Map(namespaces.map((name) => [name, named(name)])), ({ name }) => name);
}

/** Whether what is in this namespace has been read; where it is refused, that nothing is known of it says nothing. */
export const isRead = (collection: Collection<unknown>, namespace: string): boolean =>
  collection instanceof Merged ? collection.isRead(namespace) : collection.synced;

/** Several informers of one kind as one; `memberOf` says which of them has an object. */
class Merged<T> implements Collection<T> {
  readonly #members: ReadonlyMap<string, Informer<T>>;
  readonly #memberOf: (key: ObjectKey) => string;

  constructor(members: ReadonlyMap<string, Informer<T>>, memberOf: (key: ObjectKey) => string) {
    this.#members = members;
    this.#memberOf = memberOf;
  }

  get #all(): readonly Informer<T>[] {
    return [...this.#members.values()];
  }

  get synced(): boolean {
    return this.#all.every(({ synced, isRefused }) => synced || isRefused);
  }

  /** Those that are not followed have nothing to be read. */
  isRead(namespace: string): boolean {
    return this.#members.get(namespace)?.synced ?? true;
  }

  /** Of the one that was not heard for longest, but for those that are refused. */
  get lastContact(): number | undefined {
    const contacts = this.#all.flatMap(({ lastContact, isRefused }) => (isRefused ? [] : (lastContact ?? 0)));
    return contacts.length === 0 ? undefined : Math.min(...contacts) || undefined;
  }

  get(namespace: string, name: string): T | undefined {
    return this.#members.get(this.#memberOf({ namespace, name }))?.get(namespace, name);
  }

  list(): readonly T[] {
    return this.#all.flatMap((member) => member.list());
  }

  keys(): readonly ObjectKey[] {
    return this.#all.flatMap((member) => member.keys());
  }

  async start(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#all.map((member) => member.start(signal)));
  }
}
