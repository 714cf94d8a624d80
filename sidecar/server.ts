import net from 'node:net';
import type { Logger } from '../lib/process/logger.ts';
import type { Clock } from '../lib/ssh/clock.ts';
import type { Audit } from './audit.ts';
import { LISTEN_RETRY_MS, MAX_CONNECTIONS, MAX_STARTUPS, TCP_KEEPALIVE_MS } from './limits.ts';
import { PiperConnection } from './piper-connection.ts';
import type { PodAccess } from './pod-secret.ts';
import type { Place } from './place.ts';

export type ServerOptions = { port: number; place: Place; audit: Audit; log: Logger; clock: Clock };

// What may wait in a socket before its connection counts as blocked.
const SOCKET_BUFFER = 256 * 1024;

/** The sidecar's SSH server. Without access it is dormant: it does not even listen. */
export class SidecarServer {
  readonly #options: ServerOptions;
  readonly #connections = new Set<PiperConnection>();
  /** With the address that each came from, in the order in which they came. */
  readonly #startups = new Map<PiperConnection, string>();
  #access: PodAccess | undefined;
  #listener: net.Server | undefined;

  constructor(options: ServerOptions) {
    this.#options = options;
  }

  /** The port that is listened on; undefined while dormant. */
  get port(): number | undefined {
    const address = this.#listener?.address();
    return typeof address === 'object' ? address?.port : undefined;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Of those, the ones whose identity has not been asserted yet. */
  get startUpCount(): number {
    return this.#startups.size;
  }

  /** What the pod's Secret grants has changed. Connections that it would not let in any more end. */
  async setAccess(access: PodAccess | undefined): Promise<void> {
    const isSamePiper = isHandedOver(this.#access, access);
    this.#access = access;
    // A key that is replaced without having been accepted beside the next one was lost or stolen: who came by it was let in
    // by nobody, and what they started goes, too.
    const isOver = access === undefined || !isSamePiper;
    for (const connection of this.#connections)
      if (isOver) connection.revoke('access to this pod has been withdrawn');
      else if (!connection.isWithin(access)) connection.end('what this pod allows has changed');
    if (isOver) this.#options.place.leftovers.endAll();
    if (access === undefined) await this.#stopListening();
    else await this.#listenIfDue();
  }

  /** Ends everything, and resolves when nothing listens any more. */
  async close(): Promise<void> {
    this.#access = undefined;
    for (const connection of this.#connections) connection.end('the sidecar is stopping');
    this.#options.place.leftovers.close();
    await this.#stopListening();
  }

  async #listen(): Promise<void> {
    const listener = net.createServer({ highWaterMark: SOCKET_BUFFER }, (socket) => this.#accept(socket));
    this.#listener = listener;
    const problem = await new Promise<Error | undefined>((resolve) => {
      listener.once('error', resolve);
      // Later ones come of single connections, such as no descriptor left for one; those before them are served on.
      listener.on('error', (error) => this.#options.log.error({ err: error }, 'listener failed'));
      listener.listen(this.#options.port, () => resolve(undefined));
    });
    if (problem === undefined) return this.#options.log.info({ port: this.port }, 'listening');
    // The app may have the port. Exiting would not free it, and a sidecar that restarts must never hold an app up.
    this.#options.log.warn({ port: this.#options.port, retryMs: LISTEN_RETRY_MS }, 'cannot listen; trying again');
    this.#listener = undefined;
    setTimeout(() => void this.#listenIfDue(), LISTEN_RETRY_MS).unref();
  }

  async #listenIfDue(): Promise<void> {
    if (this.#access !== undefined && this.#listener === undefined) await this.#listen();
  }

  async #stopListening(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    if (listener === undefined) return;
    await new Promise<void>((resolve) => listener.close(() => resolve()));
    this.#options.log.info('not listening any more');
  }

  #accept(socket: net.Socket): void {
    const access = this.#access;
    const isFull = this.#connections.size >= MAX_CONNECTIONS;
    if (access === undefined || isFull) {
      if (isFull) this.#options.place.counts.refused('connections');
      socket.destroy();
      return;
    }
    if (this.#startups.size >= MAX_STARTUPS) this.#dropStartup();
    socket.setKeepAlive(true, TCP_KEEPALIVE_MS);
    const { place, audit, log, clock } = this.#options;
    const connection = new PiperConnection({
      socket,
      access,
      trusts: (key) => this.#access?.mappingKeys.some((known) => known.equals(key)) ?? false,
      place,
      audit,
      log,
      clock,
      onServing: () => this.#startups.delete(connection),
      onEnd: () => {
        this.#startups.delete(connection);
        this.#connections.delete(connection);
      },
    });
    this.#startups.set(connection, socket.remoteAddress ?? '');
    this.#connections.add(connection);
  }

  /**
   * The oldest goes, not the newest: the piper is through in milliseconds, whoever else holds start-ups is not. And of
   * the address that has most of them: every pod of the cluster reaches us, and one that floods shall crowd out itself.
   */
  #dropStartup(): void {
    const counts = new Map<string, number>();
    for (const address of this.#startups.values()) counts.set(address, (counts.get(address) ?? 0) + 1);
    const most = Math.max(...counts.values());
    const victim = [...this.#startups].find(([, address]) => counts.get(address) === most)?.[0];
    this.#options.place.counts.refused('start-ups');
    victim?.end('too many start-ups');
  }
}

/**
 * A mapping key that is rotated is accepted together with its successor for a while: who came in with it is still the
 * piper. One that is replaced at once was lost, or taken by somebody, and nobody who came in with it stays.
 */
const isHandedOver = (before: PodAccess | undefined, after: PodAccess | undefined): boolean =>
  before === undefined ||
  (after?.mappingKeys.some((key) => before.mappingKeys.some((known) => known.equals(key))) ?? false);
