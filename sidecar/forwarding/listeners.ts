import { MAX_LISTENERS } from '../limits.ts';
import type { Listener } from './loopback-listener.ts';

/**
 * What one connection has the pod listen on (-R). One request after the other, so that a cancel finds what was asked
 * for before it; and each connection has its own, so that nobody cancels another's.
 */
export class Listeners {
  readonly #byName = new Map<string, Listener>();
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  /** Undefined: too many, the connection has ended, or `make`, called when its turn comes, has made none. */
  add<Made extends Listener & { name: string }>(make: () => Promise<Made | undefined>): Promise<Made | undefined> {
    return this.#inTurn(async () => {
      if (this.#closed || this.#byName.size >= MAX_LISTENERS) return undefined;
      const listener = await make();
      if (listener === undefined) return undefined;
      // A name that was taken can be made again where its socket has been removed by somebody meanwhile.
      this.#byName.get(listener.name)?.close();
      this.#byName.set(listener.name, listener);
      if (!this.#closed) return listener;
      listener.close();
      return undefined;
    });
  }

  /** False where there is none of that name. */
  remove(name: string): Promise<boolean> {
    return this.#inTurn(() => {
      this.#byName.get(name)?.close();
      return Promise.resolve(this.#byName.delete(name));
    });
  }

  /** The connection has ended. */
  close(): void {
    this.#closed = true;
    for (const listener of this.#byName.values()) listener.close();
    this.#byName.clear();
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}
