import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../lib/process/logger.ts';
import { type Clock, systemClock } from '../lib/ssh/clock.ts';
import type { AuthorizedKey } from '../lib/ssh/keys/authorized-keys.ts';
import type { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { describeBan } from './abuse/ban-events.ts';
import { type Ban, Failures } from './abuse/failures.ts';
import { Admission } from './admission.ts';
import { ArrivalRate } from './arrival/arrival-rate.ts';
import type { Limits } from './config.ts';
import { Connections } from './connections.ts';
import type { ObjectDirectory } from './directory/directory.ts';
import type { Provider } from './directory/provider.ts';
import { Listener } from './listener.ts';
import type { BeginTrace } from './login-trace.ts';
import { PiperMetrics } from './metrics.ts';
import { Logins } from './presence/logins.ts';
import { reportOf, type ReportContent } from './presence/report.ts';
import { RekeyRate } from './rekey-rate.ts';
import { Sweeper } from './revocation/sweeper.ts';
import { NO_WITNESS, type Witness } from './witness.ts';

export type PiperOptions = {
  directory: ObjectDirectory;
  provider: Provider;
  /** Of a connection that begins now. */
  hostKeys: () => readonly PrivateKey[];
  /** Whose certificates every user may log in with. */
  authorities?: readonly AuthorizedKey[];
  limits: Limits;
  log: Logger;
  witness?: Witness;
  metrics?: PiperMetrics;
  beginTrace?: BeginTrace | undefined;
  now?: () => number;
  clock?: Clock;
};

/** How soon sessions end after what we know has become too old. */
const STALENESS_CHECK_MS = 5_000;

/** A load balancer that never hears must not hold up who stops. */
const LONGEST_FAREWELL_MS = 60_000;

/** A running piper: a directory that is followed, a listener, and the connections between them. */
export class Piper {
  readonly connections = new Connections();
  readonly #logins = new Logins();
  readonly failures: Failures;
  readonly metrics: PiperMetrics;
  readonly #options: PiperOptions;
  readonly #listener: Listener;
  readonly #sweeper: Sweeper;
  readonly #following = new AbortController();

  constructor(options: PiperOptions) {
    const { directory, hostKeys, limits, log, now = Date.now, clock = systemClock } = options;
    this.#options = options;
    const admission = new Admission(directory, options.authorities);
    const { connections } = this;
    const metrics = options.metrics ?? new PiperMetrics();
    this.metrics = metrics;
    const failures = new Failures({ limits, exempt: limits.banExempt, now, onBan: (ban) => this.#banned(ban) });
    this.failures = failures;
    const witness = options.witness ?? NO_WITNESS;
    const arrivals = new ArrivalRate({ limits, exempt: limits.banExempt, now: clock.now });
    const context = {
      arrivals,
      rekeys: new RekeyRate(clock.now),
      directory,
      connections,
      logins: this.#logins,
      hostKeys,
      admission,
      failures,
      metrics,
      witness,
      limits,
      log,
      beginTrace: options.beginTrace,
      now,
      clock,
    };
    const listener = new Listener(context);
    this.#listener = listener;
    metrics.watch({
      connections: () => connections.size,
      sessions: () => connections.sessions,
      traffic: () => connections.traffic,
      routes: () => directory.size,
      lastContact: () => options.provider.lastContact?.(),
      startUps: () => listener.startUps,
      bans: () => failures.bans().length,
    });
    this.#sweeper = new Sweeper({
      directory,
      trustsAuthorities: (options.authorities ?? []).length > 0,
      log,
      now,
      clock,
    });
    directory.onChange((former) => {
      this.connections.recheck(former.keys());
      this.#sweeper.changed(former);
    });
  }

  /** Until {@link serve} clients are told to try again later. @returns the port */
  listen(port: number, host?: string): Promise<number> {
    return this.#listener.listen(port, host);
  }

  /** Resolves when logins are served: who may come in is known. */
  async serve(): Promise<void> {
    await this.#options.provider.start(this.#following.signal);
    const checking = setInterval(() => this.#checkStaleness(), STALENESS_CHECK_MS);
    this.#following.signal.addEventListener('abort', () => clearInterval(checking), { once: true });
    this.#listener.isServing = true;
    this.#sweeper.start();
  }

  /** Why we are not ready, in one sentence. */
  problem(): string | undefined {
    return this.#options.provider.problem() ?? (this.#listener.listening ? undefined : 'not listening');
  }

  /** Who is there, and who was. */
  report(): ReportContent {
    const hostKeys = this.#options.hostKeys().map(({ publicKey }) => publicKey.toLine());
    return { ...reportOf(this.connections.presences(), this.#logins), hostKeys };
  }

  /**
   * Takes no new clients, and waits for those who are here; when `hurry` aborts, they are told to go. New ones are taken
   * until none has come for `quietMs`: the network goes on sending some, until every node has heard that we stop.
   */
  async drain(hurry: AbortSignal, quietMs = 0): Promise<void> {
    await this.#quiet(hurry, quietMs);
    this.#listener.close();
    const endAll = (): void => this.connections.endAll('draining');
    if (hurry.aborted) endAll();
    else hurry.addEventListener('abort', endAll, { once: true });
    await this.connections.empty();
    this.#sweeper.stop();
    this.#following.abort();
  }

  async #quiet(hurry: AbortSignal, quietMs: number): Promise<void> {
    const since = performance.now();
    for (;;) {
      const until = Math.min(Math.max(since, this.#listener.lastClientAt) + quietMs, since + LONGEST_FAREWELL_MS);
      const restMs = until - performance.now();
      if (restMs <= 0 || hurry.aborted) return;
      await delay(restMs, undefined, { signal: hurry }).catch(() => undefined);
    }
  }

  #banned(ban: Ban): void {
    this.metrics.banned(ban.username === undefined ? 'source' : 'username');
    this.#options.log.warn({ ban }, describeBan(ban));
    this.#options.witness?.banned(ban);
  }

  #checkStaleness(): void {
    if (this.#options.directory.stale()) this.connections.recheckAll();
  }
}
