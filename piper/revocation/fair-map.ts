/** So many items at the most, each found by its key. For one more, the oldest of the tenant that has the most gives way. */
export class FairMap<Item extends { readonly key: string; readonly tenant: string }> {
  readonly #most: number;
  readonly #items = new Map<string, Item>();
  readonly #byTenant = new Map<string, Set<Item>>();

  constructor(most: number) {
    this.#most = most;
  }

  get(key: string): Item | undefined {
    return this.#items.get(key);
  }

  values(): Iterable<Item> {
    return this.#items.values();
  }

  /** @returns the one that gave way */
  add(item: Item): Item | undefined {
    const oldest = this.#items.size < this.#most ? undefined : this.#oldestOfLargest();
    if (oldest !== undefined) this.delete(oldest);
    this.#items.set(item.key, item);
    const theirs = this.#byTenant.get(item.tenant) ?? new Set();
    this.#byTenant.set(item.tenant, theirs.add(item));
    return oldest;
  }

  delete(item: Item): void {
    if (this.#items.get(item.key) !== item) return;
    this.#items.delete(item.key);
    const theirs = this.#byTenant.get(item.tenant);
    theirs?.delete(item);
    if (theirs?.size === 0) this.#byTenant.delete(item.tenant);
  }

  #oldestOfLargest(): Item | undefined {
    let largest = new Set<Item>();
    for (const theirs of this.#byTenant.values()) if (theirs.size > largest.size) largest = theirs;
    const [oldest] = largest;
    return oldest;
  }
}
