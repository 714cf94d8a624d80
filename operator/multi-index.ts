/** Which objects relate to a key: Secret → SshAccesses that name it, SshAccess → its pods. Both directions are cheap. */
export class MultiIndex {
  readonly #members = new Map<string, Set<string>>();
  readonly #keys = new Map<string, readonly string[]>();

  /** Replaces the keys of `member`; none: it is forgotten. */
  set(member: string, keys: readonly string[]): void {
    for (const key of this.#keys.get(member) ?? []) {
      const members = this.#members.get(key);
      members?.delete(member);
      if (members?.size === 0) this.#members.delete(key);
    }
    if (keys.length === 0) this.#keys.delete(member);
    else this.#keys.set(member, keys);
    for (const key of keys) this.#members.set(key, (this.#members.get(key) ?? new Set()).add(member));
  }

  get(key: string): readonly string[] {
    return [...(this.#members.get(key) ?? [])];
  }

  has(key: string): boolean {
    return this.#members.has(key);
  }
}
