import { END_LEFTOVERS, LeftoversOrder, type Ending } from '../../crds/index.ts';
import type { Logger } from '../../lib/process/logger.ts';
import type { Clock } from '../../lib/ssh/clock.ts';
import { DISCONNECT } from '../../lib/ssh/numbers.ts';
import type { Directory } from '../directory/directory.ts';
import type { Pod } from '../directory/endpoints.ts';
import type { Login } from '../directory/route-table.ts';
import { RefusalError } from '../refusals.ts';
import { UpstreamAttempt } from '../upstream-attempt.ts';
import { lossOf } from './losses.ts';

const MOST_AT_ONCE = 16;
/** Of more pods than this at a time, those that come last are not visited, and the log says so. */
const MOST_WAITING = 20_000;
/** A pod that does not answer is tried again: it may be starting, or its node may be cut off. */
const RETRIES_MS = [2_000, 10_000, 60_000];
const REKEY_AFTER_BYTES = 2 ** 30;

export type SweeperOptions = {
  directory: Pick<Directory, 'lookup' | 'pods'>;
  log: Logger;
  /** The time of day, in milliseconds. */
  now: () => number;
  clock: Clock;
};

type Sweep = { login: Login; endings: readonly Ending[]; since: number };
type Visit = { sweep: Sweep; pod: Pod; tries: number };

/**
 * Tells every pod of a route whose users have lost their access, also where none of them is connected: what their sessions
 * left behind ends. Each replica of the piper does so; a pod that has heard it has nothing left to end.
 */
export class Sweeper {
  readonly #options: SweeperOptions;
  readonly #waiting: Visit[] = [];
  /** By username: how to stop waiting for the end of their access. */
  readonly #expiries = new Map<string, () => void>();
  readonly #stopped = new AbortController();
  #visits = 0;

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  /** @param former what those usernames stood for until now */
  changed(former: ReadonlyMap<string, Login | undefined>): void {
    const { directory, now, clock } = this.#options;
    const sweeps = new Map<string, { login: Login; endings: Ending[]; since: number }>();
    for (const [username, login] of former) {
      this.#awaitExpiry(username);
      const ending = login && lossOf(login, directory.lookup(username), now());
      if (login === undefined || ending === undefined) continue;
      const sweep = sweeps.get(login.route.uid) ?? { login, endings: [], since: clock.now() };
      sweep.endings.push(ending);
      sweeps.set(login.route.uid, sweep);
    }
    for (const sweep of sweeps.values()) this.#begin(sweep);
  }

  /** Nothing changes in the directory when somebody's time is over. */
  #awaitExpiry(username: string): void {
    this.#expiries.get(username)?.();
    this.#expiries.delete(username);
    const login = this.#options.directory.lookup(username);
    if (login === undefined || login.expiresAt === Infinity) return;
    const leftMs = login.expiresAt - this.#options.now();
    if (leftMs <= 0) return;
    // The time of day may have been set anew meanwhile: then there is something left when it is over.
    const over = (): void => this.changed(new Map([[username, login]]));
    this.#expiries.set(username, this.#options.clock.after(leftMs, over));
  }

  stop(): void {
    for (const cancel of this.#expiries.values()) cancel();
    this.#expiries.clear();
    this.#waiting.length = 0;
    this.#stopped.abort();
  }

  #begin(sweep: Sweep): void {
    const pods = this.#options.directory.pods(sweep.login.route);
    const room = MOST_WAITING - this.#waiting.length;
    if (pods.length > room)
      this.#options.log.warn({ pods: pods.length, room }, 'too many pods to tell who lost access');
    for (const pod of pods.slice(0, room)) this.#queue({ sweep, pod, tries: 0 });
  }

  #queue(visit: Visit): void {
    this.#waiting.push(visit);
    this.#next();
  }

  #next(): void {
    while (this.#visits < MOST_AT_ONCE) {
      const visit = this.#waiting.shift();
      if (visit === undefined) return;
      this.#visits++;
      void this.#visit(visit).finally(() => {
        this.#visits--;
        this.#next();
      });
    }
  }

  async #visit(visit: Visit): Promise<void> {
    const { log } = this.#options;
    const { sweep, pod } = visit;
    const users = sweep.endings.map(({ username }) => username);
    try {
      const { link } = await new UpstreamAttempt(
        {
          login: sweep.login,
          introduction: { request: END_LEFTOVERS, text: this.#order(sweep), onlyToSidecars: true },
          rekeyAfterBytes: REKEY_AFTER_BYTES,
          signal: this.#stopped.signal,
        },
        pod,
      ).result;
      link.transport.disconnect(DISCONNECT.BY_APPLICATION, 'done');
      log.debug({ pod: pod.name, users }, 'the pod knows who lost access');
    } catch (error) {
      if (this.#stopped.signal.aborted || this.#isSettled(visit, error)) return;
      log.warn({ err: error, pod: pod.name, users }, 'the pod could not be told who lost access');
    }
  }

  #order({ endings, since }: Sweep): string {
    const agoMs = Math.round(this.#options.clock.now() - since);
    return JSON.stringify(LeftoversOrder.parse({ version: 1, endings, agoMs }));
  }

  /** A pod that is gone has nothing left; one with another sshd is not ours to tell, and one that answered stays with it. */
  #isSettled({ sweep, pod, tries }: Visit, error: unknown): boolean {
    const { directory, clock } = this.#options;
    const isThere = directory
      .pods(sweep.login.route)
      .some(({ name, address }) => name === pod.name && address === pod.address);
    if (!isThere) return true;
    const code = error instanceof RefusalError ? error.code : undefined;
    const inMs = RETRIES_MS[tries];
    if (inMs === undefined || code !== 'unreachable') return code === 'outdated-pod';
    clock.after(inMs, () => this.#queue({ sweep, pod, tries: tries + 1 }));
    return true;
  }
}
