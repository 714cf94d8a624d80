import { MOST_REPORTED_USERS } from '../../crds/index.ts';

/** The last login of a user of a route. */
export type LastLogin = { readonly uid: string; readonly username: string; readonly at: number };

/** Who has logged in since the piper started, and when last; of more than a report has room for, the newest. */
export class Logins {
  readonly #most: number;
  readonly #last = new Map<string, LastLogin>();

  constructor(most: number = MOST_REPORTED_USERS) {
    this.#most = most;
  }

  record(login: LastLogin): void {
    const key = JSON.stringify([login.uid, login.username]);
    // A Map keeps the order of insertion: the first is the oldest.
    this.#last.delete(key);
    this.#last.set(key, login);
    const oldest = this.#last.keys().next();
    if (this.#last.size > this.#most && oldest.done !== true) this.#last.delete(oldest.value);
  }

  [Symbol.iterator](): Iterator<LastLogin> {
    return this.#last.values();
  }
}
