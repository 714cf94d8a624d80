/** Bounds what those who reach our port can make us hold: they need not be the API server, and most of the cluster may. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { RateLimiter, type Rate } from '../lib/process/rate-limiter.ts';
import type { WebhookMetrics } from './metrics.ts';
import { Shares } from '../lib/process/shares.ts';

/** An API server has no more than 200 changes under way (`--max-mutating-requests-inflight`), each on one connection at most. */
const MOST_CONNECTIONS = 500;
/** Of bodies, until they are answered. What JSON becomes takes ten times as much, and `webhook.resources` are 384 MiB. */
const MOST_BYTES = 16 * 1024 * 1024;
/** Who sends nothing has sent headers. */
const LEAST_BYTES = 4 * 1024;
/** New connections of one place: each is a signature of ours. API servers keep theirs. */
const ARRIVALS: Rate = { burst: 1_000, everyMs: 5 };

/** Of one connection. An API server waits for each answer, and may have read it before we have noticed. */
const MOST_AT_ONCE = 4;

export class Callers {
  readonly #metrics: Pick<WebhookMetrics, 'cutOff'>;
  readonly #arrivals = new RateLimiter(ARRIVALS);
  readonly #connections = new Shares(MOST_CONNECTIONS);
  /** Of connections that count, by where they come from. */
  readonly #giveBacks = new Map<string, () => void>();
  readonly #bytes = new Shares(MOST_BYTES);
  readonly #mostOfBody: number;
  /** Questions that have no answer yet. */
  readonly #asking = new WeakMap<Socket, { readonly place: string; atOnce: number }>();

  constructor(metrics: Pick<WebhookMetrics, 'cutOff'>, mostOfBody: number) {
    this.#metrics = metrics;
    this.#mostOfBody = mostOfBody;
  }

  /** Before any TLS. */
  readonly connected = (socket: Socket): void => {
    const place = socket.remoteAddress ?? '';
    const cutOff = (): void => void socket.destroy();
    if (!this.#arrivals.take(place)) {
      this.#metrics.cutOff({ because: 'rate' });
      return cutOff();
    }
    const giveBack = this.#connections.take(place, 1, () => {
      this.#metrics.cutOff({ because: 'connections' });
      cutOff();
    });
    // Its addresses are gone by the time that it is closed.
    const from = endOf(socket);
    this.#giveBacks.set(from, giveBack);
    socket.once('close', () => {
      giveBack();
      if (this.#giveBacks.get(from) === giveBack) this.#giveBacks.delete(from);
    });
  };

  /** After TLS, where that asks for a certificate: an API server, and so none of those whose places are counted. */
  readonly authenticated = (socket: Socket): void => this.#giveBacks.get(endOf(socket))?.();

  /**
   * Before the body, by the length that is declared; one that is not may be any.
   * @returns false: it is cut off, and nobody is to look at the request
   */
  asks(request: IncomingMessage, response: ServerResponse): boolean {
    const { socket, headers } = request;
    // Of one that is destroyed, what has come is worked through all the same, and its address is not known any more.
    const caller = this.#asking.get(socket) ?? { place: socket.remoteAddress ?? '', atOnce: 0 };
    this.#asking.set(socket, caller);
    caller.atOnce++;
    response.once('close', () => caller.atOnce--);
    if (caller.atOnce === MOST_AT_ONCE + 1) this.#keepOut(caller.place);
    if (socket.destroyed) return false;
    const declared = Number(headers['content-length'] ?? this.#mostOfBody);
    const amount = Math.max(LEAST_BYTES, Math.min(declared, this.#mostOfBody));
    const giveBack = this.#bytes.take(caller.place, amount, () => {
      this.#metrics.cutOff({ because: 'bytes' });
      socket.destroy();
    });
    response.once('close', giveBack);
    return !socket.destroyed;
  }

  /**
   * Node.js works through all that has come on a connection before it looks at the next: whoever asks without waiting for answers,
   * on hundreds of them, would have the API server wait for many seconds. So with the first of them all go, and none comes for a while.
   */
  #keepOut(place: string): void {
    this.#metrics.cutOff({ because: 'pipelined' });
    this.#arrivals.spend(place, ARRIVALS.burst);
    this.#connections.takeAll(place);
  }
}

/** A TLSSocket does not tell which Socket it is on, but has the same ends. */
const endOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
