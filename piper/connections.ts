import type { Presence } from './presence/presence.ts';
import type { Traffic } from './record.ts';
import type { RefusalCode } from './refusals.ts';

/** What the registry needs of a live connection. */
export type LiveConnection = {
  readonly username: string;
  /** Where its client is. */
  readonly clientAddress: string;
  /** The pod that it reaches; empty before it does. */
  readonly pod: string;
  /** Session channels that are open on it. */
  readonly sessions: number;
  /** What has passed between it and its client. */
  readonly traffic: Traffic;
  /** Undefined before it reaches its pod. */
  readonly presence: Presence | undefined;
  /** Ends itself where its user may no longer be here. */
  recheck: () => void;
  end: (code: RefusalCode) => void;
  /** Tells its terminals that it will end in so long. */
  warnOfEnd: (leftMs: number) => void;
};

/** The live connections of authenticated users, by username: a change in the directory asks only those it concerns. */
export class Connections {
  readonly #byUser = new Map<string, Set<LiveConnection>>();
  #size = 0;
  #onEmpty: (() => void) | undefined;
  #ending: RefusalCode | undefined;

  get size(): number {
    return this.#size;
  }

  /** Session channels that are open on all of them. */
  get sessions(): number {
    return this.#all().reduce((sum, { sessions }) => sum + sessions, 0);
  }

  get traffic(): Traffic {
    return this.#all().reduce(
      (sum, { traffic }) => ({
        bytesIn: sum.bytesIn + traffic.bytesIn,
        bytesOut: sum.bytesOut + traffic.bytesOut,
      }),
      { bytesIn: 0, bytesOut: 0 },
    );
  }

  countOf(username: string): number {
    return this.#byUser.get(username)?.size ?? 0;
  }

  /** Sessions of the user that are open on other connections than `mine`. */
  sessionsBeside(mine: LiveConnection): number {
    let sessions = 0;
    for (const connection of this.#byUser.get(mine.username) ?? [])
      if (connection !== mine) sessions += connection.sessions;
    return sessions;
  }

  /** Whether the user, at this address, is in that pod already. */
  isThere(username: string, clientAddress: string, pod: string): boolean {
    for (const connection of this.#byUser.get(username) ?? [])
      if (connection.pod === pod && connection.clientAddress === clientAddress) return true;
    return false;
  }

  /** Those that have reached their pods. */
  *presences(): Generator<Presence> {
    for (const ofUser of this.#byUser.values())
      for (const { presence } of ofUser) if (presence !== undefined) yield presence;
  }

  add(connection: LiveConnection): void {
    const ofUser = this.#byUser.get(connection.username) ?? new Set<LiveConnection>();
    this.#byUser.set(connection.username, ofUser.add(connection));
    this.#size++;
    // Who logs in after everybody was told to go is told, too: nothing else would, and the drain would wait for them.
    if (this.#ending !== undefined) connection.end(this.#ending);
  }

  remove(connection: LiveConnection): void {
    const ofUser = this.#byUser.get(connection.username);
    if (ofUser === undefined || !ofUser.delete(connection)) return;
    if (ofUser.size === 0) this.#byUser.delete(connection.username);
    this.#size--;
    if (this.#size === 0) this.#onEmpty?.();
  }

  recheck(usernames: Iterable<string>): void {
    for (const username of usernames) {
      // Ending a connection removes it from the set under our feet; the iteration of a Set allows that.
      for (const connection of this.#byUser.get(username) ?? []) connection.recheck();
    }
  }

  recheckAll(): void {
    this.recheck(new Set(this.#byUser.keys()));
  }

  /** Tells those that are here that they will have to go. */
  warnOfEnd(leftMs: number): void {
    for (const ofUser of this.#byUser.values()) for (const connection of ofUser) connection.warnOfEnd(leftMs);
  }

  /** Ends those that are here, and those that come later. */
  endAll(code: RefusalCode): void {
    this.#ending = code;
    for (const ofUser of this.#byUser.values()) for (const connection of ofUser) connection.end(code);
  }

  #all(): LiveConnection[] {
    return [...this.#byUser.values()].flatMap((ofUser) => [...ofUser]);
  }

  /** Resolves when no connection is left; for the drain, when none can come any more. */
  async empty(): Promise<void> {
    if (this.#size === 0) return;
    await new Promise<void>((resolve) => (this.#onEmpty = resolve));
  }
}
