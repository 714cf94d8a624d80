import type { Ending } from '../../crds/index.ts';
import type { Logger } from '../../lib/process/logger.ts';
import type { Clock } from '../../lib/ssh/clock.ts';
import type { Directory } from '../directory/directory.ts';
import type { Pod } from '../directory/endpoints.ts';
import type { FormerLogins, RouteLogins, Way } from '../directory/route-table.ts';
import { expiryOf, lossOf, nextExpiry } from './losses.ts';
import { Visits } from './visits.ts';

/** A piper that has started looks for pods that it is to tell who may stay, and then again and again, so many at a time. */
const FIRST_LOOK_MS = 10_000;
const LOOK_EVERY_MS = 5_000;
const MOST_NEW_AT_A_LOOK = 100;

export type SweeperOptions = {
  directory: Pick<Directory, 'lookup' | 'pods' | 'routes' | 'stale'>;
  /** Whether there are authorities that certify every user. */
  trustsAuthorities: boolean;
  log: Logger;
  /** The time of day, in milliseconds. */
  now: () => number;
  clock: Clock;
};

/**
 * Has every pod of a route told whose users have lost their access, also where none of them is connected: what their sessions
 * left behind ends. And every pod that this piper has not followed, who has access: somebody may have lost it while no
 * piper was there to see. Each replica of the piper does both; a pod that has heard it has nothing left to end.
 */
export class Sweeper {
  readonly #options: SweeperOptions;
  readonly #visits: Visits;
  /** By username: since when time was looked at, and how to stop waiting for what it takes from them. */
  readonly #expiries = new Map<string, { since: number; cancel: () => void }>();
  #cancelLook: () => void = () => undefined;

  constructor(options: SweeperOptions) {
    this.#options = options;
    this.#visits = new Visits(options);
  }

  /** Everything has been read: from here on it is known who has access. */
  start(): void {
    this.#cancelLook = this.#options.clock.after(FIRST_LOOK_MS, () => this.#look());
  }

  /** @param former what those usernames stood for until now */
  changed(former: FormerLogins): void {
    const { directory, now, clock } = this.#options;
    const time = now();
    const lost = new Map<string, { way: Way; endings: Ending[] }>();
    for (const [username, login] of former) {
      const lookedAt = this.#expiries.get(username)?.since ?? time;
      this.#awaitExpiry(username, time);
      if (login === undefined) continue;
      const loss = lossOf(login, directory.lookup(username), time);
      const endings = loss?.fingerprints === null ? [loss] : [loss, expiryOf(login, lookedAt, time)];
      const ofRoute = lost.get(login.route.uid) ?? { way: login, endings: [] };
      ofRoute.endings.push(...endings.filter((ending) => ending !== undefined));
      lost.set(login.route.uid, ofRoute);
    }
    for (const { way, endings } of lost.values())
      if (endings.length > 0) this.#visits.tell(way, { endings, since: clock.now() });
  }

  /** Nothing changes in the directory when somebody's time, or that of a key of theirs, is over. */
  #awaitExpiry(username: string, since: number): void {
    this.#expiries.get(username)?.cancel();
    this.#expiries.delete(username);
    const login = this.#options.directory.lookup(username);
    const next = login === undefined ? Infinity : nextExpiry(login, since);
    if (next === Infinity) return;
    // The time of day may have been set anew meanwhile: then there is something left when it is over.
    const over = (): void => this.changed(new Map([[username, login]]));
    this.#expiries.set(username, { since, cancel: this.#options.clock.after(next - since, over) });
  }

  stop(): void {
    this.#cancelLook();
    for (const { cancel } of this.#expiries.values()) cancel();
    this.#expiries.clear();
    this.#visits.stop();
  }

  /** Level-triggered: whatever was missed, and why, the next look finds it. */
  #look(): void {
    const { clock, directory } = this.#options;
    this.#cancelLook = clock.after(LOOK_EVERY_MS, () => this.#look());
    if (!directory.stale()) this.#visits.introduce(this.#served(), MOST_NEW_AT_A_LOOK);
  }

  /** Where there is a sidecar to be told. Of what is switched off, a pod ends everything when its Secret goes. */
  *#served(): Generator<{ route: RouteLogins; pod: Pod }> {
    for (const route of this.#options.directory.routes()) {
      const { enabled, runtime, awaitsRollout = false } = route.way.route;
      if (!enabled || runtime !== 'sidecar' || awaitsRollout) continue;
      for (const pod of this.#options.directory.pods(route.way.route)) yield { route, pod };
    }
  }
}
