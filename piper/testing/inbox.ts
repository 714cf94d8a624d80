/** Things that arrive, for a test to wait for in order. */
export class Inbox<T> {
  readonly #waiting: T[] = [];
  readonly #takers: ((item: T) => void)[] = [];

  put(item: T): void {
    const taker = this.#takers.shift();
    if (taker === undefined) this.#waiting.push(item);
    else taker(item);
  }

  take(timeoutMs = 20_000): Promise<T> {
    const item = this.#waiting.shift();
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`nothing arrived in ${timeoutMs} ms`)), timeoutMs);
      this.#takers.push((arrived) => {
        clearTimeout(timer);
        resolve(arrived);
      });
    });
  }

  get size(): number {
    return this.#waiting.length;
  }
}
