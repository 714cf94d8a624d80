import {
  type Ending,
  END_LEFTOVERS,
  KEEP_LEFTOVERS,
  LeftoversOrder,
  LONGEST_AGO_MS,
  Roster,
} from '../../crds/index.ts';
import { DISCONNECT } from '../../lib/ssh/numbers.ts';
import type { Pod } from '../directory/endpoints.ts';
import type { RouteLogins, Way } from '../directory/route-table.ts';
import { RefusalError } from '../refusals.ts';
import { UpstreamAttempt } from '../upstream-attempt.ts';
import type { Introduction } from '../upstream.ts';
import { FairMap } from './fair-map.ts';
import { residentsOf } from './roster.ts';
import { Rounds } from './rounds.ts';
import type { SweeperOptions } from './sweeper.ts';

/** Unreachable pods of one tenant must not hold up the others. */
const TURNS = { atOnce: 16, atOnceOfOne: 4 };
/** Pods that are yet to be told, of all tenants. What gives way is found again by the next look at all pods. */
const MOST_PENDING = 20_000;
/** Whoever keeps their pod busy or cut off puts off what it is told, and no more: it is tried as long as it is there. */
const RETRIES_MS = [2_000, 10_000, 60_000, 600_000];
/** Of more changes that a pod has not heard of it is told what they have come to, and not each. */
const MOST_LOSSES = 8;
const REKEY_AFTER_BYTES = 2 ** 30;
/** Sidecars believe the key, and look at no name. */
const NOBODY = { username: 'sshaccess' };

/** What the users of a route have lost at once; `since`: when, on a clock that is never set. */
export type Losses = { readonly endings: readonly Ending[]; readonly since: number };

/** A pod with what it is yet to hear. */
type Visit = {
  readonly key: string;
  readonly tenant: string;
  readonly pod: Pod;
  /** The oldest first. */
  readonly losses: Losses[];
  way: Way;
  /** Who may stay there, as of whoever is in this route; undefined: it needs no telling. */
  roster: { route: RouteLogins; since: number } | undefined;
  tries: number;
  isRunning: boolean;
  cancelRest: () => void;
};

/** A pod that is served. `since`: from when on it hears all that is lost; `isTold`: and has heard who may stay from before. */
type Acquaintance = { seen: number; since: number; isTold: boolean; look: number };

/** Goes to pods, as often as it takes, to say who has lost their access, and who has it. */
export class Visits {
  readonly #options: SweeperOptions;
  readonly #rounds = new Rounds<Visit>(TURNS);
  readonly #pending = new FairMap<Visit>(MOST_PENDING);
  readonly #known = new Map<string, Acquaintance>();
  readonly #stopped = new AbortController();
  #looks = 0;

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  /** The pods of a route are told what its users have lost. */
  tell(way: Way, losses: Losses): void {
    for (const pod of this.#options.directory.pods(way.route)) {
      const visit = this.#visitOf(way, pod);
      visit.losses.push(losses);
      if (visit.losses.length > MOST_LOSSES) this.#forget(visit);
      else this.#hurry(visit);
    }
  }

  /** Looks at all pods that are served: up to `most` of those that have not heard who may stay are told. */
  introduce(pods: Iterable<{ route: RouteLogins; pod: Pod }>, most: number): void {
    const { clock, now } = this.#options;
    this.#looks++;
    let room = most;
    for (const { route, pod } of pods) {
      const key = keyOf(route.way, pod);
      let known = this.#known.get(key);
      // One that was away meanwhile was told nothing.
      if (known?.seen !== pod.seen) {
        const since = clock.now() - Math.max(0, now() - pod.seen);
        known = { seen: pod.seen, since, isTold: false, look: 0 };
        this.#known.set(key, known);
      }
      known.look = this.#looks;
      const pending = this.#pending.get(key);
      // Its keys may have been changed.
      if (pending !== undefined) pending.way = route.way;
      if (known.isTold || pending?.roster !== undefined || room === 0) continue;
      const visit = pending ?? this.#visitOf(route.way, pod);
      visit.roster = { route, since: known.since };
      this.#hurry(visit);
      room--;
    }
    for (const [key, { look }] of this.#known) if (look !== this.#looks) this.#known.delete(key);
  }

  stop(): void {
    this.#stopped.abort();
    for (const { cancelRest } of this.#pending.values()) cancelRest();
  }

  #visitOf(way: Way, pod: Pod): Visit {
    const key = keyOf(way, pod);
    const known = this.#pending.get(key);
    if (known !== undefined) return Object.assign(known, { way });
    const tenant = way.route.namespace;
    const fresh = { losses: [], roster: undefined, tries: 0, isRunning: false, cancelRest: () => undefined };
    const visit: Visit = { key, tenant, pod, way, ...fresh };
    const gone = this.#pending.add(visit);
    if (gone !== undefined) this.#forget(gone);
    return visit;
  }

  /** What it was to hear is lost, but that there was something. */
  #forget(visit: Visit): void {
    visit.cancelRest();
    this.#pending.delete(visit);
    const known = this.#known.get(visit.key);
    if (known !== undefined) Object.assign(known, { since: this.#options.clock.now(), isTold: false });
  }

  #hurry(visit: Visit): void {
    visit.cancelRest();
    if (!visit.isRunning) this.#rounds.add(visit.tenant, visit);
    this.#next();
  }

  #next(): void {
    for (let visit = this.#rounds.take(); visit !== undefined; visit = this.#rounds.take()) {
      const { tenant } = visit;
      void this.#go(visit).finally(() => {
        this.#rounds.done(tenant);
        this.#next();
      });
    }
  }

  async #go(visit: Visit): Promise<void> {
    if (this.#isOver(visit)) return;
    const { route, hostKeys, mappingKey } = visit.way;
    const { introduction, heard } = this.#errandOf(visit);
    const login = { route, hostKeys, mappingKey, user: NOBODY };
    const attempt = { login, introduction, rekeyAfterBytes: REKEY_AFTER_BYTES, signal: this.#stopped.signal };
    visit.isRunning = true;
    try {
      const { link } = await new UpstreamAttempt(attempt, visit.pod).result;
      link.transport.disconnect(DISCONNECT.BY_APPLICATION, 'done');
      heard();
      visit.isRunning = false;
      visit.tries = 0;
      if (visit.losses.length === 0 && visit.roster === undefined) this.#pending.delete(visit);
      else if (!this.#isOver(visit)) this.#hurry(visit);
    } catch (error) {
      visit.isRunning = false;
      if (!this.#isOver(visit)) this.#failed(visit, error);
    }
  }

  /** We stop, or it gave way. */
  #isOver(visit: Visit): boolean {
    return this.#stopped.signal.aborted || this.#pending.get(visit.key) !== visit;
  }

  #errandOf(visit: Visit): Errand {
    const [losses] = visit.losses;
    return losses === undefined ? this.#sayWhoStays(visit) : this.#sayWhoLost(visit, losses);
  }

  #sayWhoLost({ losses, pod }: Visit, { endings, since }: Losses): Errand {
    const { clock, log } = this.#options;
    const text = (): string => {
      const agoMs = Math.min(LONGEST_AGO_MS, Math.round(clock.now() - since));
      return JSON.stringify(LeftoversOrder.parse({ version: 1, endings, agoMs }));
    };
    const heard = (): void => {
      losses.shift();
      log.debug({ pod: pod.name, users: usersOf([{ endings }]) }, 'the pod knows who lost access');
    };
    return { introduction: { request: END_LEFTOVERS, text, onlyToSidecars: true }, heard };
  }

  #sayWhoStays(visit: Visit): Errand {
    const { clock, log, directory, trustsAuthorities, now } = this.#options;
    const { roster } = visit;
    const text = (): string => {
      const logins = roster?.route.logins.map(({ user }) => directory.lookup(user.username)) ?? [];
      const residents = residentsOf(visit.way.route.uid, logins, trustsAuthorities, now());
      const agoMs = Math.max(0, Math.round(clock.now() - (roster?.since ?? clock.now())));
      return JSON.stringify(Roster.parse({ version: 1, residents, agoMs }));
    };
    const heard = (): void => {
      const known = this.#known.get(visit.key);
      if (known !== undefined && known.since === roster?.since) known.isTold = true;
      visit.roster = undefined;
      log.debug({ pod: visit.pod.name }, 'the pod knows who may stay');
    };
    return { introduction: { request: KEEP_LEFTOVERS, text, onlyToSidecars: true }, heard };
  }

  /** A pod that is gone has nothing left, and one with another sshd is not ours to tell. */
  #failed(visit: Visit, error: unknown): void {
    const { directory, clock, log } = this.#options;
    const { pod, way, key } = visit;
    const isThere = directory.pods(way.route).some(({ name, address }) => name === pod.name && address === pod.address);
    const isOurs = !(error instanceof RefusalError && error.code === 'outdated-pod');
    // Where nobody is served any more, the pod's Secret goes, and with it everything; that takes no longer than these tries.
    const isServed = this.#known.has(key) || visit.tries < RETRIES_MS.length;
    if (!isThere || !isOurs || !isServed) {
      this.#pending.delete(visit);
      const known = this.#known.get(key);
      if (known !== undefined && !isThere) this.#known.delete(key);
      else if (known !== undefined) known.isTold = true;
      return;
    }
    const inMs = RETRIES_MS[Math.min(visit.tries, RETRIES_MS.length - 1)] ?? 0;
    visit.tries++;
    const users = usersOf(visit.losses);
    // Once where it is new, and where it lasts: a pod that is starting is nothing to speak of.
    const isNews = visit.tries === (isUnreachable(error) ? RETRIES_MS.length : 1);
    log[isNews ? 'warn' : 'debug'](
      { err: error, pod: pod.name, users, retryMs: inMs },
      'the pod could not be told who lost access',
    );
    visit.cancelRest = clock.after(inMs, () => this.#hurry(visit));
  }
}

/** What to say to a pod, and what to do when it has said that it has heard it. */
type Errand = { introduction: Introduction; heard: () => void };

const keyOf = ({ route }: Way, { name, address }: Pod): string => `${route.uid} ${name} ${address}`;

const usersOf = (losses: readonly Pick<Losses, 'endings'>[]): string[] =>
  losses.flatMap(({ endings }) => endings.map(({ username }) => username));

const isUnreachable = (error: unknown): boolean => error instanceof RefusalError && error.code === 'unreachable';
