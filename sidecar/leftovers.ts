import { hasLost, isResident, type Ending, type Resident } from '../crds/end-leftovers.ts';
import { MAX_LEFTOVERS_PER_USER } from './limits.ts';

/** Whose a program is, and since when, on a clock that is never set. */
export type Owner = Omit<Resident, 'fingerprints'> & { fingerprint: string; since: number };

/** A session's program, from its start until nothing that it started is there any more. */
export type Owned = {
  /** Its session is over; what is left of it is what it started, such as daemons. */
  readonly isLeft: boolean;
  kill: () => void;
};

/**
 * Everything of this pod's sessions that is alive, with whose it is. What a session leaves behind may stay as long as its
 * user may: their connections are the piper's to end, but what has none any more is ended here.
 */
export class Leftovers {
  /** In the order in which they came. */
  readonly #programs = new Map<Owned, Owner>();
  #closed = false;

  /** @returns what to call when nothing is left of it */
  add(owner: Owner, program: Owned): () => void {
    this.#programs.set(program, owner);
    return () => void this.#programs.delete(program);
  }

  /** How many there are: of sessions that go on, or of those that are over. */
  count(isLeft: boolean): number {
    return [...this.#programs.keys()].filter((program) => program.isLeft === isLeft).length;
  }

  /** A program's session is over, and something of it stays. */
  left(program: Owned): void {
    const owner = this.#programs.get(program);
    if (owner === undefined) return;
    if (this.#closed) return program.kill();
    const theirs = [...this.#programs].filter(([{ isLeft }, { username }]) => isLeft && username === owner.username);
    for (const [oldest] of theirs.slice(0, Math.max(0, theirs.length - MAX_LEFTOVERS_PER_USER))) oldest.kill();
  }

  /** Ends what these users left behind before `until`: who was let in again meanwhile has lost nothing. */
  end(endings: readonly Ending[], until: number): number {
    return this.#kill((owner) => owner.since <= until && endings.some((ending) => hasLost(ending, owner)));
  }

  /** Ends what was left behind before `until` by who is none of these. */
  keep(residents: readonly Resident[], until: number): number {
    return this.#kill((owner) => owner.since <= until && !residents.some((resident) => isResident(resident, owner)));
  }

  /** Ends what everybody left behind. */
  endAll(): number {
    return this.#kill(() => true);
  }

  /** The sidecar ends: nothing is left behind from now on. */
  close(): void {
    this.#closed = true;
    this.endAll();
  }

  #kill(isMeant: (owner: Owner) => boolean): number {
    const meant = [...this.#programs].filter(([{ isLeft }, owner]) => isLeft && isMeant(owner));
    for (const [program] of meant) program.kill();
    return meant.length;
  }
}
