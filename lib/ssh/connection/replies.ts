import { SshError } from '../errors.ts';

/** The requests that we sent and that the peer answers in order (RFC 4254 §4 and §5.4). */
export class PendingReplies {
  readonly #pending: ((success: boolean) => void)[] = [];

  /** Resolves with the peer's answer; with false when the connection or channel ends before it. */
  expect(): Promise<boolean> {
    return new Promise((resolve) => this.#pending.push(resolve));
  }

  /** @throws SshError where nothing was asked: the peer has lost count. */
  settle(success: boolean): void {
    const resolve = this.#pending.shift();
    if (resolve === undefined) throw new SshError('protocol', 'a reply came to no request');
    resolve(success);
  }

  abandon(): void {
    for (const resolve of this.#pending.splice(0)) resolve(false);
  }
}
