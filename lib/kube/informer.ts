import type { Logger } from '../process/logger.ts';
import * as z from 'zod';
import { Backoff, pause } from './backoff.ts';
import type { KubeClient } from './client.ts';
import { KubeError } from './errors.ts';
import { keyOf, parseKey, type ObjectKey } from './object-key.ts';

const RESYNC_MS = 600_000;
const PAGE_SIZE = 500;
/** The server ends a watch after this time, plus up to as much again; then it is resumed where it was. */
const WATCH_SECONDS = 240;
/** A watch that ended sooner without one event counts as failed, so that a broken proxy is not hammered. */
const HEALTHY_WATCH_MS = 5_000;
const LEFT_OUT = 'this cannot be read, and is not served until it can: is the namespace there, and our Role in it?';
const METADATA_ONLY = {
  list: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json',
  watch: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json',
};

const Item = z.object({
  metadata: z.object({ namespace: z.string().default(''), name: z.string().default(''), resourceVersion: z.string() }),
});
const Page = z.object({
  metadata: z.object({ resourceVersion: z.string(), continue: z.string().optional() }),
  items: z.array(z.unknown()).nullable(),
});

export type InformerOptions<T> = {
  client: KubeClient;
  /** Of the collection: `/api/v1/pods`, `/api/v1/namespaces/x/secrets`; see `pathOf` in resources.ts. */
  path: string;
  labelSelector?: string;
  fieldSelector?: string;
  /** Only `metadata` of each object is sent (PartialObjectMetadata). */
  metadataOnly?: boolean;
  /**
   * For whoever keeps what they need in a store of their own: values are reported, and then not kept. `get` and `list`
   * have none, `previous` is always undefined, and nothing is reported again.
   */
  reportOnly?: boolean;
  /** Every cached object is reported again so often, plus jitter; 0: never. Default 10 minutes. */
  resyncMs?: number;
  /**
   * Keeps what matters of an object; undefined: not ours, not cached. A throw is logged and counts as undefined.
   * Items of a list of a core kind carry neither `kind` nor `apiVersion`.
   */
  parse: (object: unknown) => T | undefined;
  /** Sync and small: enqueue. A throw is logged. `current` is undefined when the object is gone. */
  onChange?: (key: ObjectKey, current: T | undefined, previous: T | undefined) => void;
  /**
   * One of many, and the others go on without it: {@link Informer.start} does not wait where the API server lets us not see it
   * (403) or does not know it (404).
   */
  mayBeRefused?: boolean;
  log?: Logger;
  backoff?: {
    /** While there is no answer at all: short, so that little is missed when the API server is back. */
    outage: Backoff;
    /** While there are answers, but none that helps. */
    refusal: Backoff;
  };
};

type Entry<T> = { readonly resourceVersion: string; readonly value: T | undefined };

/**
 * A local, always recovering copy of one collection: list, then watch, for ever. The last known state stays readable
 * while the API server is away. It stands for client-node's informer, which dies of the first reset connection.
 */
export class Informer<T> {
  readonly #options: InformerOptions<T>;
  readonly #outage: Backoff;
  readonly #refusal: Backoff;
  #isBroken = false;
  readonly #cache = new Map<string, Entry<T>>();
  #resourceVersion: string | undefined;
  #settled = Promise.withResolvers<void>();
  #isSynced = false;
  #isRefused = false;
  #running: Promise<void> | undefined;
  #lastContact: number | undefined;

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    this.#outage = options.backoff?.outage ?? new Backoff(500, 5_000);
    this.#refusal = options.backoff?.refusal ?? new Backoff(500, 30_000);
  }

  /** True once one list has succeeded; stays true. */
  get synced(): boolean {
    return this.#isSynced;
  }

  /** It answered last that we may not see the collection, or that there is none; it is asked again. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  /** When the API server was last heard on this collection, in milliseconds since the epoch. */
  get lastContact(): number | undefined {
    return this.#lastContact;
  }

  /** Settles when the loop has ended, after `signal` of {@link start} aborted. */
  get stopped(): Promise<void> {
    return this.#running ?? Promise.resolve();
  }

  /** Treat what you get as read-only: it is the cache's own. */
  get(namespace: string, name: string): T | undefined {
    return this.#cache.get(keyOf({ namespace, name }))?.value;
  }

  list(): readonly T[] {
    return [...this.#cache.values()].flatMap(({ value }) => (value === undefined ? [] : [value]));
  }

  keys(): readonly ObjectKey[] {
    return [...this.#cache.keys()].map((id) => parseKey(id));
  }

  /**
   * Starts the loop, once, whoever calls how often, until `signal` aborts. Never rejects.
   * @returns when the first list has succeeded, or was refused where that may be, or `signal` aborted before
   */
  async start(signal: AbortSignal): Promise<void> {
    this.#running ??= this.#run(signal);
    await Promise.race([this.#settled.promise, this.#running]);
  }

  async #run(signal: AbortSignal): Promise<void> {
    const resync = this.#startResync();
    while (!signal.aborted) {
      try {
        this.#resourceVersion ??= await this.#list(signal);
        await this.#watch(this.#resourceVersion, signal);
      } catch (error) {
        if (signal.aborted) break;
        await this.#recover(KubeError.from(error), signal);
      }
    }
    clearInterval(resync);
  }

  async #recover(error: KubeError, signal: AbortSignal): Promise<void> {
    this.#options.client.observer.watchBroke(this.#options.path);
    // A lost connection resumes where it was; after any answer that refuses the watch, only a list is sure.
    if (!error.isUnreachable) this.#resourceVersion = undefined;
    const waitMs = this.#waitAfter(error);
    // One warning for each outage; an expired version is the ordinary course of things.
    const level = this.#isBroken || error.isExpired ? 'debug' : 'warn';
    this.#isBroken ||= !error.isExpired;
    this.#isRefused = error.status === 403 || error.isNotFound;
    const isLeftOut = this.#isRefused && this.#options.mayBeRefused === true;
    if (isLeftOut) this.#settled.resolve();
    this.#options.log?.[level](
      { err: error, path: this.#options.path, retryMs: Math.round(waitMs) },
      isLeftOut ? LEFT_OUT : 'watch broke',
    );
    await pause(waitMs, signal);
  }

  #waitAfter(error: KubeError): number {
    if (error.isUnreachable) return this.#outage.next();
    this.#outage.reset();
    // What the server asks for, and up to as much again, so that a fleet does not come back as one.
    if (error.retryAfterMs !== undefined) return error.retryAfterMs * (1 + Math.random());
    return this.#refusal.next();
  }

  #onContact(): void {
    this.#lastContact = Date.now();
    this.#outage.reset();
    if (this.#isBroken) this.#options.log?.info({ path: this.#options.path }, 'watch recovered');
    this.#isBroken = false;
    this.#isRefused = false;
  }

  /** @returns the resource version to watch from */
  async #list(signal: AbortSignal): Promise<string> {
    const { client, path, labelSelector, fieldSelector, metadataOnly } = this.#options;
    const seen = new Set<string>();
    let next: string | undefined;
    let resourceVersion: string;
    do {
      const answer = await client.request(path, {
        query: { labelSelector, fieldSelector, limit: PAGE_SIZE, continue: next },
        ...(metadataOnly === true ? { accept: METADATA_ONLY.list } : {}),
        signal,
      });
      const page = Page.safeParse(answer);
      if (!page.success) throw new KubeError('BadAnswer', 'a list is not what the API promises');
      this.#onContact();
      for (const item of page.data.items ?? []) seen.add(this.#set(item));
      ({ resourceVersion, continue: next } = page.data.metadata);
    } while (next !== undefined && next !== '');
    for (const id of this.#cache.keys()) if (!seen.has(id)) this.#remove(id);
    this.#isSynced = true;
    this.#settled.resolve();
    return resourceVersion;
  }

  async #watch(resourceVersion: string, signal: AbortSignal): Promise<void> {
    const { client, path, labelSelector, fieldSelector, metadataOnly } = this.#options;
    const timeoutSeconds = Math.round(WATCH_SECONDS * (1 + Math.random()));
    const startedAt = Date.now();
    let events = 0;
    const query = { labelSelector, fieldSelector, resourceVersion, timeoutSeconds, allowWatchBookmarks: true };
    const accept = metadataOnly === true ? { accept: METADATA_ONLY.watch } : {};
    const onOpen = (): void => this.#onContact();
    for await (const event of client.watch(path, { query, ...accept, signal, onOpen })) {
      const metadata = metadataOf(event.object);
      events += 1;
      this.#refusal.reset();
      this.#onContact();
      if (event.type === 'DELETED') this.#remove(keyOf(metadata));
      else if (event.type !== 'BOOKMARK') this.#set(event.object);
      this.#resourceVersion = metadata.resourceVersion;
    }
    if (events === 0 && Date.now() - startedAt < HEALTHY_WATCH_MS)
      throw new KubeError('Unreachable', 'the watch ended at once');
  }

  #set(object: unknown): string {
    const metadata = metadataOf(object);
    const id = keyOf(metadata);
    const previous = this.#cache.get(id);
    if (previous?.resourceVersion === metadata.resourceVersion) return id;
    const value = this.#parse(object);
    if (value === undefined) {
      this.#remove(id);
    } else {
      const kept = this.#options.reportOnly === true ? undefined : value;
      this.#cache.set(id, { resourceVersion: metadata.resourceVersion, value: kept });
      this.#report(id, value, previous?.value);
    }
    return id;
  }

  #remove(id: string): void {
    const previous = this.#cache.get(id);
    if (previous === undefined) return;
    this.#cache.delete(id);
    this.#report(id, undefined, previous.value);
  }

  #parse(object: unknown): T | undefined {
    try {
      return this.#options.parse(object);
    } catch (error) {
      this.#options.log?.error({ err: error, path: this.#options.path }, 'object does not parse');
      return undefined;
    }
  }

  #report(id: string, current: T | undefined, previous: T | undefined): void {
    try {
      this.#options.onChange?.(parseKey(id), current, previous);
    } catch (error) {
      this.#options.log?.error({ err: error, object: id }, 'change handler threw');
    }
  }

  #startResync(): NodeJS.Timeout | undefined {
    const { resyncMs = RESYNC_MS, reportOnly = false } = this.#options;
    if (resyncMs === 0 || reportOnly) return undefined;
    const resync = (): void => {
      for (const [id, { value }] of this.#cache) this.#report(id, value, value);
    };
    return setInterval(resync, resyncMs * (1 + Math.random() / 10)).unref();
  }
}

function metadataOf(object: unknown): z.output<typeof Item>['metadata'] {
  const item = Item.safeParse(object);
  if (!item.success) throw new KubeError('BadAnswer', 'an object is not what the API promises', { cause: item.error });
  return item.data.metadata;
}
