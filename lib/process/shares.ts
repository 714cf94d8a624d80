/** What somebody holds until they give it back, or it is taken away. */
type Held = { readonly amount: number; readonly takeAway: () => void };
/** `held`: the oldest first. */
type Place = { readonly held: Set<Held>; total: number };

/**
 * Of something that is bounded, who holds how much. On a port that asks for no credentials nobody can be told from anybody else but
 * by where they are. So where all together hold too much, the place that holds the most loses what it has held longest: who wants
 * to keep the API server or the kubelet out has to be in as many places as it takes to hold less than they do in each.
 */
export class Shares {
  readonly #most: number;
  readonly #places = new Map<string, Place>();
  #total = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** @returns what gives it back; once is enough */
  take(name: string, amount: number, takeAway: () => void): () => void {
    const place = this.#places.get(name) ?? { held: new Set(), total: 0 };
    const held = { amount, takeAway };
    this.#places.set(name, place);
    place.held.add(held);
    place.total += amount;
    this.#total += amount;
    while (this.#total > this.#most) this.#takeFromLargest();
    return () => this.#giveBack(name, held);
  }

  /** All that is held there. */
  takeAll(name: string): void {
    for (const held of this.#places.get(name)?.held ?? []) {
      this.#giveBack(name, held);
      held.takeAway();
    }
  }

  #takeFromLargest(): void {
    const largest = Math.max(...[...this.#places.values()].map(({ total }) => total));
    for (const [name, { held, total }] of this.#places) {
      const [oldest] = held;
      if (total < largest || oldest === undefined) continue;
      this.#giveBack(name, oldest);
      return oldest.takeAway();
    }
  }

  #giveBack(name: string, held: Held): void {
    const place = this.#places.get(name);
    if (place?.held.delete(held) !== true) return;
    place.total -= held.amount;
    this.#total -= held.amount;
    if (place.held.size === 0) this.#places.delete(name);
  }
}
