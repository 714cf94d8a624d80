/** A small API server on loopback for unit tests: list, watch, create, update, patch, delete; nothing is validated. */
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { clientOf, type KubeClient } from '../client.ts';
import { forgetFields, mergeFields, patchFields, type Fields } from './fields.ts';

const StoredObject = z.looseObject({
  apiVersion: z.string().optional(),
  kind: z.string().optional(),
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string().optional(),
    uid: z.string(),
    resourceVersion: z.string(),
    generation: z.number(),
    labels: z.record(z.string(), z.string()).optional(),
    finalizers: z.array(z.string()).optional(),
    deletionTimestamp: z.string().optional(),
  }),
});
export type StoredObject = z.infer<typeof StoredObject>;

type Target = {
  collection: string;
  plural: string;
  namespace: string | undefined;
  name: string | undefined;
  subresource: string;
};
type Change = { type: string; plural: string; version: number; object: StoredObject };
type Watcher = { target: Target; selector: string; response: http.ServerResponse };

class Refusal extends Error {
  readonly code: number;
  readonly reason: string;
  constructor(code: number, reason: string, message = reason) {
    super(message);
    this.code = code;
    this.reason = reason;
  }
}

export class TestApiServer {
  readonly #objects = new Map<string, StoredObject>();
  readonly #applied = new Map<string, Fields>();
  readonly #history: Change[] = [];
  readonly #watchers = new Set<Watcher>();
  readonly #server = http.createServer((request, response) => void this.#answer(request, response));
  #version = 100;
  #oldest = 0;
  #port = 0;
  #failures: { count: number; status: number; path: RegExp } | undefined;
  #held: { path: RegExp; until: Promise<void> } | undefined;
  /** `METHOD /path` of every request so far. */
  readonly requests: string[] = [];
  /** What admission makes of an object whose creation is only tried (dry run). */
  onTry = (object: Fields): Fields => object;

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    const address: AddressInfo | string | null = this.#server.address();
    if (address !== null && typeof address !== 'string') this.#port = address.port;
  }

  /** The state stays: `start()` again is the same cluster after an outage. */
  async stop(): Promise<void> {
    this.#watchers.clear();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  get address(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  client(userAgent = 'test'): KubeClient {
    return clientOf(this.address, userAgent);
  }

  get watches(): number {
    return this.#watchers.size;
  }

  /** Resets every watch connection, as a load balancer does. */
  dropWatches(): void {
    for (const { response } of this.#watchers) response.destroy();
    this.#watchers.clear();
  }

  /** Forgets the history, so that older resource versions get 410. */
  compact(): void {
    this.#version += 1;
    this.#oldest = this.#version;
    this.#history.length = 0;
  }

  /** The next `count` requests whose `METHOD /path` matches are answered with `status`. */
  fail(count: number, status: number, path = /./): void {
    this.#failures = { count, status, path };
  }

  /** Requests whose `METHOD /path` matches have no answer, until what is returned is called. */
  hold(path: RegExp): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held = { path, until: promise };
    return resolve;
  }

  /** Puts an object there, as another client would. */
  put(path: string, object: Fields): StoredObject {
    const target = parsePath(path);
    return this.#write(target, object, this.#objects.get(idOf(target)));
  }

  get(path: string): StoredObject | undefined {
    return this.#objects.get(idOf(parsePath(path)));
  }

  /** Everything of a collection. */
  list(path: string): readonly StoredObject[] {
    const target = parsePath(path);
    return [...this.#objects].flatMap(([id, object]) => (isIn(target, id) ? [object] : []));
  }

  remove(path: string): void {
    this.#delete(parsePath(path));
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const line = `${request.method} ${url.pathname}`;
    this.requests.push(line);
    try {
      if (this.#failures !== undefined && this.#failures.count > 0 && this.#failures.path.test(line)) {
        this.#failures.count -= 1;
        throw new Refusal(this.#failures.status, 'Injected');
      }
      const body = await text(request);
      if (this.#held?.path.test(line) === true) await this.#held.until;
      const target = parsePath(url.pathname);
      if (url.searchParams.get('watch') === 'true') return this.#watch(target, url.searchParams, response);
      const answer = this.#handle(request, target, url.searchParams, body === '' ? undefined : JSON.parse(body));
      send(response, request.method === 'POST' ? 201 : 200, answer);
    } catch (error) {
      const refusal = error instanceof Refusal ? error : new Refusal(500, 'InternalError', String(error));
      send(response, refusal.code, statusOf(refusal));
    }
  }

  #handle(request: http.IncomingMessage, target: Target, query: URLSearchParams, body: unknown): unknown {
    const stored = this.#objects.get(idOf(target));
    const method = request.method ?? 'GET';
    switch (method) {
      case 'GET':
        return target.name === undefined ? this.#list(target, query) : found(stored);
      case 'DELETE':
        found(stored);
        return this.#delete(target);
      case 'POST': {
        const created = fields(body);
        const name = z.object({ metadata: z.object({ name: z.string() }) }).parse(body).metadata.name;
        const id = { ...target, name };
        if (this.#objects.has(idOf(id))) throw new Refusal(409, 'AlreadyExists');
        if (query.get('dryRun') === 'All') return this.onTry(created);
        return this.#write(id, created, undefined);
      }
      case 'PUT':
        return this.#write(target, fields(body), found(stored));
      default:
        return this.#patch(request.headers['content-type'] ?? '', target, query, body);
    }
  }

  #patch(contentType: string, target: Target, query: URLSearchParams, body: unknown): StoredObject {
    const stored = this.#objects.get(idOf(target));
    if (contentType.includes('json-patch')) {
      const patched = patchFields(found(stored), body);
      if (patched === undefined)
        throw new Refusal(422, 'Invalid', 'the server rejected our request due to an error in our request');
      return this.#write(target, patched, stored);
    }
    const wanted = fields(body);
    const owner = `${idOf(target)} ${target.subresource} ${query.get('fieldManager')}`;
    const base = forgetFields(stored ?? {}, this.#applied.get(owner) ?? {}, wanted);
    const { metadata, ...rest } = wanted;
    const { resourceVersion, ...merged } = fields(metadata);
    this.#applied.set(owner, wanted);
    const managedFields = managers(stored, query.get('fieldManager'), rest);
    const next = mergeFields(base, { ...rest, metadata: { ...merged, managedFields } });
    return this.#write(target, next, stored, resourceVersion);
  }

  #write(target: Target, object: Fields, stored: StoredObject | undefined, version?: unknown): StoredObject {
    const metadata = fields(object['metadata'] ?? {});
    if (metadata['uid'] !== undefined && metadata['uid'] !== stored?.metadata.uid) throw new Refusal(409, 'Conflict');
    const expected = version ?? (stored === undefined ? undefined : metadata['resourceVersion']);
    if (expected !== undefined && expected !== stored?.metadata.resourceVersion) throw new Refusal(409, 'Conflict');
    const next = StoredObject.parse({
      ...object,
      metadata: {
        creationTimestamp: new Date().toISOString(),
        uid: randomUUID(),
        generation: 1,
        ...metadata,
        ...(target.namespace === undefined ? {} : { namespace: target.namespace }),
        name: target.name,
        resourceVersion: stored?.metadata.resourceVersion ?? '0',
      },
    });
    // As the real one does: a write that changes nothing makes no new version.
    if (isDeepStrictEqual(next, stored)) return next;
    next.metadata.resourceVersion = String(++this.#version);
    if (stored !== undefined && !isDeepStrictEqual(next['spec'], stored['spec'])) next.metadata.generation += 1;
    const isGone = next.metadata.deletionTimestamp !== undefined && (next.metadata.finalizers ?? []).length === 0;
    if (isGone) this.#objects.delete(idOf(target));
    else this.#objects.set(idOf(target), next);
    this.#publish(isGone ? 'DELETED' : stored === undefined ? 'ADDED' : 'MODIFIED', target, next);
    return next;
  }

  #delete(target: Target): StoredObject | undefined {
    const stored = this.#objects.get(idOf(target));
    if (stored === undefined) return undefined;
    const deletionTimestamp = stored.metadata.deletionTimestamp ?? new Date().toISOString();
    return this.#write(target, { ...stored, metadata: { ...stored.metadata, deletionTimestamp } }, stored);
  }

  #list(target: Target, query: URLSearchParams): unknown {
    const all = [...this.#objects.entries()].filter(([id]) => isIn(target, id)).map(([, object]) => object);
    const items = all.filter((object) => isSelected(object, query.get('labelSelector') ?? ''));
    const start = Number(query.get('continue') ?? 0);
    const end = start + Number(query.get('limit') ?? items.length);
    const rest = end < items.length ? { continue: String(end) } : {};
    return { metadata: { resourceVersion: String(this.#version), ...rest }, items: items.slice(start, end) };
  }

  #watch(target: Target, query: URLSearchParams, response: http.ServerResponse): void {
    const since = Number(query.get('resourceVersion') ?? 0);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    if (since < this.#oldest) {
      const object = statusOf(new Refusal(410, 'Expired'));
      response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
      return;
    }
    const watcher = { target, selector: query.get('labelSelector') ?? '', response };
    for (const change of this.#history) if (change.version > since) tell(watcher, change);
    this.#watchers.add(watcher);
    response.on('close', () => this.#watchers.delete(watcher));
  }

  #publish(type: string, target: Target, object: StoredObject): void {
    const change = { type, plural: target.plural, version: this.#version, object };
    this.#history.push(change);
    for (const watcher of this.#watchers) tell(watcher, change);
  }
}

function tell({ target, selector, response }: Watcher, { type, plural, object }: Change): void {
  const isHere = target.namespace === undefined || target.namespace === object.metadata.namespace;
  if (target.plural !== plural || !isHere || !isSelected(object, selector)) return;
  response.write(`${JSON.stringify({ type, object })}\n`);
}

/** `key`, `key=value` and `key!=value`, joined by commas. */
function isSelected(object: StoredObject, selector: string): boolean {
  const labels = object.metadata.labels ?? {};
  return selector.split(',').every((term) => {
    if (term === '') return true;
    const [key = '', value] = term.split(/!?=/);
    if (value === undefined) return labels[key] !== undefined;
    return (labels[key] === value) !== term.includes('!=');
  });
}

function parsePath(path: string): Target {
  const parts = path.split('/').filter((part) => part !== '');
  const collection = parts.splice(0, parts[0] === 'api' ? 2 : 3).join('/');
  const namespace = parts[0] === 'namespaces' && parts.length > 2 ? parts.splice(0, 2)[1] : undefined;
  const [plural = '', name, subresource = ''] = parts;
  return { collection, plural: `${collection}/${plural}`, namespace, name, subresource };
}

const idOf = ({ plural, namespace, name }: Target): string => `${plural} ${namespace ?? ''}/${name ?? ''}`;
const isIn = ({ plural, namespace }: Target, id: string): boolean =>
  id.startsWith(namespace === undefined ? `${plural} ` : `${plural} ${namespace}/`);

const fields = (value: unknown): Fields => z.record(z.string(), z.unknown()).parse(value);

/** Who applied something to an object; whoever applies nothing any more is not in it. */
function managers(stored: StoredObject | undefined, manager: string | null, applied: Fields): unknown[] {
  const before = z.array(z.looseObject({ manager: z.string() })).parse(stored?.metadata['managedFields'] ?? []);
  const isRelease = Object.keys(applied).every((key) => key === 'apiVersion' || key === 'kind');
  const others = before.filter((entry) => entry.manager !== manager);
  return isRelease ? others : [...others, { manager, operation: 'Apply' }];
}

function found(stored: StoredObject | undefined): StoredObject {
  if (stored === undefined) throw new Refusal(404, 'NotFound');
  return stored;
}

const statusOf = ({ code, reason, message }: Refusal) => ({ kind: 'Status', status: 'Failure', code, reason, message });

function send(response: http.ServerResponse, status: number, answer: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(answer));
}
