/** Pure: what the replicas of the piper report, summed up. */
import { z } from 'zod';
import { REPORT_VALIDITY_MS, SessionReport } from '../../crds/index.ts';

/** Clocks differ. Nobody has logged in later than this from now. */
const CLOCK_SKEW_MS = 60_000;

type UserSeen = { readonly sessions: number; readonly lastLogin: string | undefined };
/** Of one route, by username. */
export type UsersSeen = ReadonlyMap<string, UserSeen>;

/** Of one route, and by which keys its users know the gateway. */
export type Seen = { readonly users: UsersSeen; readonly hostKeys: readonly string[] };

/** What one replica says: route → users. */
export type Report = {
  readonly name: string;
  readonly renewedAt: number;
  readonly routes: ReadonlyMap<string, UsersSeen>;
  /** By which its users know it. */
  readonly hostKeys: readonly string[];
};

const Parts = z.object({ metadata: z.object({ name: z.string() }), spec: SessionReport });

/** @throws ZodError */
export function parseReport(object: unknown): Report {
  const { metadata, spec } = Parts.parse(object);
  const usersOf = ({ users }: SessionReport['routes'][number]): UsersSeen =>
    new Map(users.map(({ username, sessions, lastLogin }) => [username, { sessions, lastLogin }]));
  return {
    name: metadata.name,
    renewedAt: Date.parse(spec.renewedAt),
    hostKeys: spec.hostKeys ?? [],
    routes: new Map(spec.routes.map((route) => [route.uid, usersOf(route)])),
  };
}

/** The latest of these times that can be true. */
export function latestLogin(times: readonly (string | undefined)[], now: number): string | undefined {
  return times
    .filter((time) => time !== undefined)
    .filter((time) => Date.parse(time) <= now + CLOCK_SKEW_MS)
    .toSorted((left, right) => Date.parse(right) - Date.parse(left))[0];
}

/** A report, and when it was last renewed by our own clock: that of a piper may be wrong. */
type Heard = { readonly report: Report; readonly at: number };

/** The reports of all replicas; each counts for as long as it is renewed. */
export class Reports {
  readonly #heard = new Map<string, Heard>();
  readonly #believed = new Set<string>();

  /** @returns uids of the routes of which something else is true now */
  set(report: Report, now: number): readonly string[] {
    const { name } = report;
    const previous = this.#heard.get(name);
    const before = this.#believed.has(name) ? previous?.report : undefined;
    this.#heard.set(name, { report, at: heardAt(report, previous, now) });
    const isBelieved = this.#judge(name, now);
    return differences(before, isBelieved ? report : undefined);
  }

  /** @returns as {@link set} */
  remove(name: string): readonly string[] {
    const before = this.#believed.has(name) ? this.#heard.get(name)?.report : undefined;
    this.#heard.delete(name);
    this.#believed.delete(name);
    return differences(before, undefined);
  }

  /** No longer believes those that are not renewed. @returns as {@link set} */
  expire(now: number): readonly string[] {
    return [...this.#believed].flatMap((name) =>
      this.#judge(name, now) ? [] : differences(this.#heard.get(name)?.report, undefined),
    );
  }

  /** Who is on a route, over all replicas. */
  of(uid: string, now: number): UsersSeen {
    const sum = new Map<string, UserSeen>();
    for (const name of this.#believed) {
      for (const [username, { sessions, lastLogin }] of this.#heard.get(name)?.report.routes.get(uid) ?? []) {
        const others = sum.get(username);
        sum.set(username, {
          sessions: sessions + (others?.sessions ?? 0),
          lastLogin: latestLogin([lastLogin, others?.lastLogin], now),
        });
      }
    }
    return sum;
  }

  /** Of all replicas: while they are rotated, some may know more than others. */
  hostKeys(): readonly string[] {
    const all = [...this.#believed].flatMap((name) => this.#heard.get(name)?.report.hostKeys ?? []);
    return [...new Set(all)].toSorted();
  }

  #judge(name: string, now: number): boolean {
    const heard = this.#heard.get(name);
    const isBelieved = heard !== undefined && now - heard.at < REPORT_VALIDITY_MS;
    if (isBelieved) this.#believed.add(name);
    else this.#believed.delete(name);
    return isBelieved;
  }
}

/** By our own clock, but for the first time: it may have been left behind long ago. */
function heardAt({ renewedAt }: Report, previous: Heard | undefined, now: number): number {
  if (previous === undefined) return Math.min(renewedAt, now);
  return previous.report.renewedAt === renewedAt ? previous.at : now;
}

function differences(before: Report | undefined, after: Report | undefined): readonly string[] {
  const uids = new Set([...(before?.routes.keys() ?? []), ...(after?.routes.keys() ?? [])]);
  return [...uids].filter((uid) => textOf(before?.routes.get(uid)) !== textOf(after?.routes.get(uid)));
}

const textOf = (users: UsersSeen | undefined): string => JSON.stringify([...(users ?? [])]);
