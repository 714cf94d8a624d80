import http from 'node:http';
import https from 'node:https';
import { existsSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { KubeConfig } from '@kubernetes/client-node';
import { z } from 'zod';
import { KubeError } from './errors.ts';

const REQUEST_TIMEOUT_MS = 30_000;
/** A watch without a byte for so long (bookmarks come about every minute) is taken as dead and resumed. */
const WATCH_IDLE_MS = 90_000;
const TCP_KEEP_ALIVE_MS = 30_000;
const SERVICE_ACCOUNT_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';

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

const WatchEvent = z.object({ type: z.string(), object: z.unknown() });
export type WatchEvent = z.infer<typeof WatchEvent>;

/**
 * A thin HTTP client of one API server: JSON in, JSON out, KubeError on everything else.
 *
 * client-node gives the credentials (KUBECONFIG, in-cluster with token rotation, exec plugins); its generated API and
 * informer are left aside: dates come as strings, patch types are said, and a watch is a loop that one can read.
 */
export class KubeClient {
  readonly #config: KubeConfig;
  readonly #userAgent: string;
  readonly #server: string;
  // Agents of our own: client-node's keeps the first credentials that it saw, ours takes those of each request.
  readonly #httpAgent = new http.Agent({ keepAlive: true, keepAliveMsecs: TCP_KEEP_ALIVE_MS });
  readonly #httpsAgent = new https.Agent({ keepAlive: true, keepAliveMsecs: TCP_KEEP_ALIVE_MS });

  /** @param userAgent the program's field manager */
  constructor(config: KubeConfig, userAgent: string) {
    const server = config.getCurrentCluster()?.server;
    if (server === undefined) throw new KubeError('NoCluster', 'the kubeconfig names no current cluster');
    this.#config = config;
    this.#userAgent = userAgent;
    this.#server = server.replace(/\/$/, '');
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
   * Opens one watch and yields its events until the server ends it.
   * @throws KubeError, also for an event of type ERROR (410 Expired) and after a silence of `timeoutMs`
   */
  async *watch(path: string, options: RequestOptions = {}): AsyncGenerator<WatchEvent> {
    const limit = new Limit(options.signal, options.timeoutMs ?? WATCH_IDLE_MS);
    try {
      const asWatch = { ...options, query: { ...options.query, watch: true } };
      const response = await this.#sendAgain(path, asWatch, limit.signal);
      let rest = '';
      response.setEncoding('utf8');
      for await (const chunk of response) {
        limit.renew();
        const lines = `${rest}${String(chunk)}`.split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) if (line !== '') yield parseEvent(line);
      }
    } catch (error) {
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
    const url = new URL(`${this.#server}${path}`);
    for (const [key, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined) url.searchParams.set(key, String(value));
    }
    const headers: Record<string, string> = {};
    const credentials: https.RequestOptions = { headers };
    await this.#config.applyToHTTPSOptions(credentials);
    const payload = options.body === undefined ? undefined : Buffer.from(JSON.stringify(options.body));
    const isProxied = (this.#config.getCurrentCluster()?.proxyUrl ?? '') !== '';
    const secure = url.protocol === 'https:';
    const ownAgent = secure ? this.#httpsAgent : this.#httpAgent;
    const request = (secure ? https : http).request(url, {
      ...credentials,
      ...(isProxied ? {} : { agent: ownAgent }),
      method: options.method ?? 'GET',
      headers: {
        ...headers,
        accept: options.accept ?? 'application/json',
        'user-agent': this.#userAgent,
        ...(payload === undefined
          ? {}
          : { 'content-type': options.contentType ?? 'application/json', 'content-length': payload.length }),
      },
      signal,
    });
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      request.once('response', resolve);
      request.on('error', (error) => reject(request.reusedSocket ? new StaleSocketError(error) : error));
      request.end(payload);
    });
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    const retryAfter = Number(response.headers['retry-after']);
    throw KubeError.fromStatus(status, parseJson(await text(response)), retryAfter > 0 ? retryAfter : undefined);
  }
}

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
 * @throws KubeError code NoCluster
 */
export function loadClient(userAgent: string, environment: NodeJS.ProcessEnv = process.env): KubeClient {
  const config = new KubeConfig();
  const isInCluster = (environment['KUBERNETES_SERVICE_HOST'] ?? '') !== '' && existsSync(SERVICE_ACCOUNT_TOKEN);
  if ((environment['KUBECONFIG'] ?? '') === '' && isInCluster) config.loadFromCluster();
  else config.loadFromDefault();
  return new KubeClient(config, userAgent);
}

/** A client of a plain HTTP server without credentials: `kubectl proxy`, or the API server of unit tests. */
export function clientOf(server: string, userAgent: string): KubeClient {
  const config = new KubeConfig();
  config.loadFromClusterAndUser({ name: 'plain', server, skipTLSVerify: true }, { name: 'nobody' });
  return new KubeClient(config, userAgent);
}
