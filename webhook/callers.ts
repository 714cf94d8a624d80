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

export class Callers {
  readonly #metrics: Pick<WebhookMetrics, 'cutOff'>;
  readonly #arrivals = new RateLimiter(ARRIVALS);
  readonly #connections = new Shares(MOST_CONNECTIONS);
  /** Of connections that count, by where they come from. */
  readonly #giveBacks = new Map<string, () => void>();
  readonly #bytes = new Shares(MOST_BYTES);
  readonly #mostOfBody: number;

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

  /** Before the body, by the length that is declared; one that is not may be any. */
  asks(request: IncomingMessage, response: ServerResponse): void {
    const { socket, headers } = request;
    const declared = Number(headers['content-length'] ?? this.#mostOfBody);
    const amount = Math.max(LEAST_BYTES, Math.min(declared, this.#mostOfBody));
    const giveBack = this.#bytes.take(socket.remoteAddress ?? '', amount, () => {
      this.#metrics.cutOff({ because: 'bytes' });
      socket.destroy();
    });
    response.once('close', giveBack);
  }
}

/** A TLSSocket does not tell which Socket it is on, but has the same ends. */
const endOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
