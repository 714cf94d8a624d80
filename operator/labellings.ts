/** As often as this in {@link WINDOW_MS} a template is labelled. Each time rolls its pods, and so does who takes it away. */
export const MOST_LABELLINGS = 3;
export const WINDOW_MS = 3_600_000;

/** One template that is labelled, for one SshAccess as its spec is now. */
export type Labelling = { key: string; generation: number | undefined; workload: string };

/**
 * When templates were labelled: what another tool resets, such as one that applies what lies in Git, is not fought over
 * without end. Not kept over restarts, which makes some more labellings and no more.
 */
export class Labellings {
  readonly #times = new Map<string, { of: string; at: readonly number[] }>();

  labelled(labelling: Labelling, now: number): void {
    const at = [...this.#recent(labelling, now), now];
    this.#times.set(labelling.key, { of: identity(labelling), at });
  }

  /** How long not to label it; 0: not at all. */
  waitMs(labelling: Labelling, now: number): number {
    const [oldest, ...others] = this.#recent(labelling, now);
    return oldest === undefined || others.length + 1 < MOST_LABELLINGS ? 0 : oldest + WINDOW_MS - now;
  }

  forget(key: string): void {
    this.#times.delete(key);
  }

  #recent(labelling: Labelling, now: number): readonly number[] {
    const known = this.#times.get(labelling.key);
    if (known?.of !== identity(labelling)) return [];
    return known.at.filter((time) => time <= now && now - time < WINDOW_MS);
  }
}

const identity = ({ generation, workload }: Labelling): string => `${workload} ${generation}`;
