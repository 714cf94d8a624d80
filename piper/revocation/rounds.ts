export type RoundsLimits = { atOnce: number; atOnceOfOne: number };

/** Whose turn it is: each tenant in turn, and none with more than its share at once. */
export class Rounds<Item> {
  readonly #limits: RoundsLimits;
  /** In the order of their next turns. */
  readonly #tenants = new Map<string, { waiting: Set<Item>; running: number }>();
  #running = 0;

  constructor(limits: RoundsLimits) {
    this.#limits = limits;
  }

  add(tenant: string, item: Item): void {
    const queue = this.#tenants.get(tenant) ?? { waiting: new Set(), running: 0 };
    this.#tenants.set(tenant, queue);
    queue.waiting.add(item);
  }

  /** One whose turn it is, until {@link done}; undefined: nobody's. */
  take(): Item | undefined {
    if (this.#running >= this.#limits.atOnce) return undefined;
    for (const [tenant, queue] of this.#tenants) {
      const [item] = queue.waiting;
      if (item === undefined || queue.running >= this.#limits.atOnceOfOne) continue;
      queue.waiting.delete(item);
      queue.running++;
      this.#running++;
      this.#tenants.delete(tenant);
      this.#tenants.set(tenant, queue);
      return item;
    }
    return undefined;
  }

  /** One of this tenant's has had its turn. */
  done(tenant: string): void {
    const queue = this.#tenants.get(tenant);
    if (queue === undefined) return;
    queue.running--;
    this.#running--;
    if (queue.running === 0 && queue.waiting.size === 0) this.#tenants.delete(tenant);
  }
}
