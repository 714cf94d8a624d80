import http from 'node:http';
import https from 'node:https';
import { text } from 'node:stream/consumers';
import * as z from 'zod';
import { type ApiObserver, type ApiVerb, NO_OBSERVER } from './api-metrics.ts';
import { inCluster, isInCluster, kubeConfig, plain, type Credentials } from './credentials.ts';
import { KubeError } from './errors.ts';

const REQUEST_TIMEOUT_MS = 30_000;
/** A watch without a byte for so long (bookmarks come about every minute) is taken as dead and resumed. */
const WATCH_IDLE_MS = 90_000;
const TCP_KEEP_ALIVE_MS = 30_000;

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export type RequestOptions = {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  query?: Query;
  /** Sent as JSON. */
  body?: unknown;
  contentType?: string;
  accept?: string;
  signal?: AbortSignal | undefined;
  /** For the whole exchange; of a watch: the longest silence. */
  timeoutMs?: number;
};

export type WatchOptions = RequestOptions & {
  /** The server has accepted the watch; the first event may be long in coming. */
  onOpen?: () => void;
};

const WatchEvent = z.object({ type: z.string(), object: z.unknown() });
export type WatchEvent = z.infer<typeof WatchEvent>;

/**
 * A thin HTTP client of one API server: JSON in, JSON out, KubeError on everything else. It stands for client-node's
 * generated API and informer: dates come as strings, patch types are said, and a watch is a loop that one can read.
 */
export class KubeClient {
  readonly observer: ApiObserver;
  readonly #credentials: Credentials;
  readonly #userAgent: string;
  readonly #httpAgent = new http.Agent({ keepAlive: true, keepAliveMsecs: TCP_KEEP_ALIVE_MS });
  readonly #httpsAgent = new https.Agent({ keepAlive: true, keepAliveMsecs: TCP_KEEP_ALIVE_MS });

  /** @param userAgent the program's field manager */
  constructor(credentials: Credentials, userAgent: string, observer = NO_OBSERVER) {
    this.#credentials = credentials;
    this.#userAgent = userAgent;
    this.observer = observer;
  }

  /** @returns the parsed JSON answer. @throws KubeError */
  async request(path: string, options: RequestOptions = {}): Promise<unknown> {
    const limit = new Limit(options.signal, options.timeoutMs ?? REQUEST_TIMEOUT_MS);
    try {
      const response = await this.#sendAgain(path, options, limit.signal);
      return await body(response);
    } catch (error) {
      throw limit.explain(error);
    } finally {
      limit.clear();
    }
  }

  /**
   * Opens one watch and yields its events until the server ends it, or was silent for `timeoutMs`: quiet collections
   * are, so a silence is no error, but a connection that died without a word looks alike.
   * @throws KubeError, also for an event of type ERROR (410 Expired)
   */
  async *watch(path: string, options: WatchOptions = {}): AsyncGenerator<WatchEvent> {
    const limit = new Limit(options.signal, options.timeoutMs ?? WATCH_IDLE_MS);
    let isOpen = false;
    try {
      const asWatch = { ...options, query: { ...options.query, watch: true } };
      const response = await this.#sendAgain(path, asWatch, limit.signal);
      isOpen = true;
      options.onOpen?.();
      let rest = '';
      response.setEncoding('utf8');
      for await (const chunk of response) {
        limit.renew();
        const lines = `${rest}${String(chunk)}`.split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) if (line !== '') yield parseEvent(line);
      }
    } catch (error) {
      if (isOpen && limit.isTimedOut) return;
      throw limit.explain(error);
    } finally {
      limit.abort();
    }
  }

  /** The server may close a kept-alive connection just as we use it; every write of ours can be said twice. */
  async #sendAgain(path: string, options: RequestOptions, signal: AbortSignal): Promise<http.IncomingMessage> {
    try {
      return await this.#send(path, options, signal);
    } catch (error) {
      if (!(error instanceof StaleSocketError) || signal.aborted) throw error;
      return await this.#send(path, options, signal);
    }
  }

  async #send(path: string, options: RequestOptions, signal: AbortSignal): Promise<http.IncomingMessage> {
    const access = await this.#credentials();
    const url = new URL(`${access.server.replace(/\/$/, '')}${path}`);
    for (const [key, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined) url.searchParams.set(key, String(value));
    }
    const payload = options.body === undefined ? undefined : Buffer.from(JSON.stringify(options.body));
    const isSecure = url.protocol === 'https:';
    const request = (isSecure ? https : http).request(url, {
      ...access.tls,
      agent: access.agent ?? (isSecure ? this.#httpsAgent : this.#httpAgent),
      method: options.method ?? 'GET',
      headers: {
        ...access.headers,
        accept: options.accept ?? 'application/json',
        'user-agent': this.#userAgent,
        ...(payload === undefined
          ? {}
          : { 'content-type': options.contentType ?? 'application/json', 'content-length': payload.length }),
      },
      signal,
    });
    const verb = options.query?.['watch'] === true ? 'watch' : VERBS[options.method ?? 'GET'];
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      request.once('response', resolve);
      request.on('error', (error) => reject(request.reusedSocket ? new StaleSocketError(error) : error));
      request.end(payload);
    }).catch((error: unknown) => {
      this.observer.answered(verb, 0);
      throw error;
    });
    const status = response.statusCode ?? 0;
    this.observer.answered(verb, status);
    if (status >= 200 && status < 300) return response;
    const retryAfter = Number(response.headers['retry-after']);
    throw KubeError.fromStatus(status, parseJson(await text(response)), retryAfter > 0 ? retryAfter : undefined);
  }
}

const VERBS = {
  GET: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
} as const satisfies Record<string, ApiVerb>;

class StaleSocketError extends Error {
  readonly code = 'stale-socket';
  constructor(cause: Error) {
    super(cause.message, { cause });
  }
}

/** Ends one exchange when its owner stops or when it takes too long. */
class Limit {
  readonly #stop = new AbortController();
  readonly #owner: AbortSignal | undefined;
  readonly #timeoutMs: number;
  #timer: NodeJS.Timeout;
  #isTimedOut = false;

  constructor(owner: AbortSignal | undefined, timeoutMs: number) {
    owner?.throwIfAborted();
    this.#owner = owner;
    this.#timeoutMs = timeoutMs;
    owner?.addEventListener('abort', this.#onOwnerAbort);
    this.#timer = this.#arm();
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  get isTimedOut(): boolean {
    return this.#isTimedOut;
  }

  renew(): void {
    this.#timer.refresh();
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#owner?.removeEventListener('abort', this.#onOwnerAbort);
  }

  abort(): void {
    this.clear();
    this.#stop.abort();
  }

  explain(error: unknown): unknown {
    if (this.#owner?.aborted === true) return this.#owner.reason;
    if (this.#isTimedOut) {
      return new KubeError('Unreachable', `the API server was silent for ${this.#timeoutMs / 1000} s`, {
        cause: error,
      });
    }
    return KubeError.from(error);
  }

  readonly #onOwnerAbort = (): void => this.#stop.abort();

  #arm(): NodeJS.Timeout {
    return setTimeout(() => {
      this.#isTimedOut = true;
      this.#stop.abort();
    }, this.#timeoutMs);
  }
}

async function body(response: http.IncomingMessage): Promise<unknown> {
  const content = await text(response);
  if (content === '') return undefined;
  const parsed = parseJson(content);
  if (parsed === undefined) throw new KubeError('BadAnswer', 'the API server answered with something else than JSON');
  return parsed;
}

function parseEvent(line: string): WatchEvent {
  const event = WatchEvent.safeParse(parseJson(line));
  if (!event.success) throw new KubeError('BadAnswer', 'a watch event is not what the API promises');
  if (event.data.type === 'ERROR') throw KubeError.fromStatus(500, event.data.object);
  return event.data;
}

function parseJson(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    // A proxy's error page, or a stream that broke off: the caller says what is missing.
    return undefined;
  }
}

/**
 * The client of the cluster that this process belongs to: KUBECONFIG if set, else the pod's service account, else
 * `~/.kube/config`.
 */
export function loadClient(userAgent: string, observer?: ApiObserver): KubeClient {
  const credentials = isInCluster(process.env) ? inCluster(process.env) : kubeConfig();
  return new KubeClient(credentials, userAgent, observer);
}

/** A client of a server that asks for no credentials. */
export const clientOf = (server: string, userAgent: string, observer?: ApiObserver): KubeClient =>
  new KubeClient(plain(server), userAgent, observer);
