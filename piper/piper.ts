import type { Logger } from '../lib/process/logger.ts';
import { type Clock, systemClock } from '../lib/ssh/clock.ts';
import type { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { makeAuthorize } from './admission.ts';
import type { Limits } from './config.ts';
import { Connections } from './connections.ts';
import type { ObjectDirectory } from './directory/directory.ts';
import type { Provider } from './directory/provider.ts';
import { Listener } from './listener.ts';

export type PiperOptions = {
  directory: ObjectDirectory;
  provider: Provider;
  hostKeys: readonly PrivateKey[];
  limits: Limits;
  log: Logger;
  now?: () => number;
  clock?: Clock;
};

/** How soon sessions end after what we know has become too old. */
const STALENESS_CHECK_MS = 5_000;

/** A running piper: a directory that is followed, a listener, and the connections between them. */
export class Piper {
  readonly connections = new Connections();
  readonly #options: PiperOptions;
  readonly #listener: Listener;
  readonly #following = new AbortController();

  constructor(options: PiperOptions) {
    const { directory, hostKeys, limits, log, now = Date.now, clock = systemClock } = options;
    this.#options = options;
    const authorize = makeAuthorize(directory);
    const { connections } = this;
    this.#listener = new Listener({ directory, connections, hostKeys, authorize, limits, log, now, clock });
    directory.onChange((usernames) => this.connections.recheck(usernames));
  }

  /** Resolves when logins are served. @returns the port */
  async start(port: number, host?: string): Promise<number> {
    await this.#options.provider.start(this.#following.signal);
    const checking = setInterval(() => this.#checkStaleness(), STALENESS_CHECK_MS);
    this.#following.signal.addEventListener('abort', () => clearInterval(checking), { once: true });
    return this.#listener.listen(port, host);
  }

  /** Why we are not ready, in one sentence. */
  problem(): string | undefined {
    return this.#options.provider.problem() ?? (this.#listener.listening ? undefined : 'not listening');
  }

  /** Takes no new clients, and waits for those who are here; when `hurry` aborts, they are told to go. */
  async drain(hurry: AbortSignal): Promise<void> {
    this.#listener.close();
    const endAll = (): void => this.connections.endAll('draining');
    if (hurry.aborted) endAll();
    else hurry.addEventListener('abort', endAll, { once: true });
    await this.connections.empty();
    this.#following.abort();
  }

  #checkStaleness(): void {
    if (this.#options.directory.stale()) this.connections.recheckAll();
  }
}
