import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { clientOf } from './arrival/client-of.ts';
import type { Client } from './arrival/proxy-protocol.ts';
import { StartUps } from './arrival/start-ups.ts';
import { Connection, type ConnectionContext } from './connection.ts';
import { SOCKET } from './wire.ts';

/** Accepts clients. The only place that knows of listening, so that several threads may share the port one day. */
export class Listener {
  readonly #server: Server;
  readonly #startUps: StartUps;
  readonly #context: ConnectionContext;
  /** By the clock of `performance`. */
  lastClientAt = 0;
  /** Before that nobody can be told from anybody else, and whoever comes is told so. */
  isServing = false;

  constructor(context: ConnectionContext) {
    this.#context = context;
    this.#startUps = new StartUps(context.limits);
    this.#server = createServer(SOCKET, (socket) => this.#accept(socket));
  }

  get listening(): boolean {
    return this.#server.listening;
  }

  /** Connections on which nobody has logged in yet. */
  get startUps(): number {
    return this.#startUps.count;
  }

  /** Without a host: every address of the machine, IPv6 too where there is any. @returns the port */
  async listen(port: number, host?: string): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen({ port, backlog: 1024, ...(host === undefined ? {} : { host }) }, resolve);
    await promise;
    this.#server.off('error', reject);
    // Out of descriptors, mostly: those who are connected go on, and so does accepting, when some are free again.
    this.#server.on('error', (error) => this.#context.log.error({ err: error }, 'accepting failed'));
    const address: AddressInfo | string | null = this.#server.address();
    return address === null || typeof address === 'string' ? port : address.port;
  }

  /** No new clients; those who are here stay. */
  close(): void {
    this.#server.close();
  }

  #accept(socket: Socket): void {
    const { limits, log } = this.#context;
    const acceptedAt = performance.now();
    this.lastClientAt = acceptedAt;
    // The peer may be gone already: a socket without a listener for its error would end the process.
    socket.once('error', () => undefined);
    // Nobody is there to serve, nor an address to count them by: limits and bans would not apply.
    if (socket.remoteAddress === undefined) return void socket.destroy();
    clientOf(socket, limits.trustedProxies, {
      onClient: (client) => this.#admit(socket, client, acceptedAt),
      onRefused: (problem) => log.debug({ proxyAddress: socket.remoteAddress, problem }, 'no client behind a proxy'),
    });
  }

  #admit(socket: Socket, client: Client, acceptedAt: number): void {
    const { failures, arrivals } = this.#context;
    if (failures.isBanned(client.address)) return this.#shut(socket, client, 'banned');
    const arrival = arrivals.admit(client.address);
    if (arrival === undefined) return this.#shut(socket, client, 'arrival-rate');
    const release = this.#startUps.take(client.address, () => connection.turnAway('start-ups'));
    const connection = new Connection({ socket, acceptedAt, client, arrival, onSettled: release }, this.#context);
    if (!this.isServing) connection.turnAway('starting');
  }

  /** Without a word: whoever comes too often is to cost us nothing. */
  #shut(socket: Socket, { address: clientAddress }: Client, reason: 'banned' | 'arrival-rate'): void {
    const { metrics, log } = this.#context;
    metrics.ended(reason);
    log.debug({ event: 'refused', clientAddress, reason }, 'connection');
    socket.destroy();
  }
}
