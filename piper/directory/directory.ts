import { LABEL_ENDPOINTS, LABEL_ROUTE, type Route } from '../../crds/index.ts';
import type { Logger } from '../../lib/process/logger.ts';
import { podsOf, type Pod } from './endpoints.ts';
import { LABEL_SERVICE_NAME, type EndpointSliceObject, type SecretObject } from './objects.ts';
import { type FormerLogins, type Login, type RouteLogins, RouteTable } from './route-table.ts';

export type ChangeListener = (former: FormerLogins) => void;

/** What connections ask: who is this, where are the pods, and has anything changed for me? */
export type Directory = {
  lookup: (username: string) => Login | undefined;
  pods: (route: Pick<Route, 'namespace' | 'service'>) => readonly Pod[];
  routes: () => Iterable<RouteLogins>;
  /** What we know is too old to let anybody in by it, or to let anybody stay. */
  stale: () => boolean;
  /** Calls back, synchronously, with the usernames that stand for something else now. Returns how to stop that. */
  onChange: (listener: ChangeListener) => () => void;
};

/** The one Directory there is, fed by a provider with whole objects: from the API server or from files. */
export class ObjectDirectory implements Directory {
  readonly #table: RouteTable;
  readonly #slices = new Map<string, Map<string, EndpointSliceObject>>();
  /** Slice key to the key of its Service, so that a change touches one entry. */
  readonly #owners = new Map<string, string>();
  readonly #listeners = new Set<ChangeListener>();
  /** By Service: put together with each change, and not with each login. */
  readonly #pods = new Map<string, readonly Pod[]>();
  readonly #allowed: (address: string) => boolean;
  readonly #now: () => number;
  /** The provider's: whether its source has been silent for too long. */
  stale: () => boolean = () => false;

  /** @param allowed which addresses may be a pod's */
  constructor(log: Logger, allowed: (address: string) => boolean, now = Date.now) {
    this.#now = now;
    this.#table = new RouteTable((problem) => log.error(problem, 'route refused'));
    this.#allowed = allowed;
  }

  /** Number of routes that grant something. */
  get size(): number {
    return this.#table.size;
  }

  lookup(username: string): Login | undefined {
    return this.#table.lookup(username);
  }

  routes(): Iterable<RouteLogins> {
    return this.#table.routes();
  }

  pods({ namespace, service }: Pick<Route, 'namespace' | 'service'>): readonly Pod[] {
    return this.#pods.get(`${namespace}/${service}`) ?? [];
  }

  onChange(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  setSecret(key: string, secret: SecretObject): void {
    if (secret.labels[LABEL_ROUTE] !== 'true') return this.removeSecret(key);
    this.#announce(this.#table.set(key, secret.data));
  }

  removeSecret(key: string): void {
    this.#announce(this.#table.remove(key));
  }

  setSlice(key: string, slice: EndpointSliceObject): void {
    const before = this.#drop(key);
    const service = slice.labels[LABEL_SERVICE_NAME];
    if (service !== undefined && slice.labels[LABEL_ENDPOINTS] !== undefined) {
      // A slice may name only a Service of its own namespace, so no tenant can add pods to another's.
      const owner = `${slice.namespace}/${service}`;
      const slices = this.#slices.get(owner) ?? new Map<string, EndpointSliceObject>();
      this.#slices.set(owner, slices.set(key, slice));
      this.#owners.set(key, owner);
      this.#lookAt(owner);
    }
    if (before !== undefined) this.#lookAt(before);
  }

  removeSlice(key: string): void {
    const owner = this.#drop(key);
    if (owner !== undefined) this.#lookAt(owner);
  }

  /** @returns the Service whose slice it was */
  #drop(key: string): string | undefined {
    const owner = this.#owners.get(key);
    if (owner === undefined) return undefined;
    this.#owners.delete(key);
    const slices = this.#slices.get(owner);
    slices?.delete(key);
    if (slices?.size === 0) this.#slices.delete(owner);
    return owner;
  }

  /** EndpointSlices do not say how old a pod is: what counts is when it was first seen. */
  #lookAt(owner: string): void {
    const slices = this.#slices.get(owner);
    if (slices === undefined) return void this.#pods.delete(owner);
    const before = new Map(this.#pods.get(owner)?.map(({ name, seen }) => [name, seen]));
    const now = this.#now();
    const pods = podsOf(slices.values(), this.#allowed).map((pod) => ({ ...pod, seen: before.get(pod.name) ?? now }));
    this.#pods.set(owner, pods);
  }

  #announce(former: FormerLogins): void {
    if (former.size === 0) return;
    for (const listener of this.#listeners) listener(former);
  }
}
