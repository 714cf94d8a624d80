import { SshError } from '../errors.ts';

/** Key exchanges that a peer may begin in a row, and how many more each second brings back. */
const MOST_AT_ONCE = 64;
const PER_SECOND = 1;
/** One after so much data is what keys are changed for, and counts for nothing: carrying the data has cost us as much. */
const FREE_AFTER_BYTES = 512 * 1024;
/** So does one each minute, whatever has passed: what all connections together cost by that, their number bounds. */
const FREE_AFTER_MS = 45_000;
/** Beside the first, on a whole connection: who logs in within the grace has no keys that are old. */
const MOST_OF_A_STRANGER = 4;

/** Bounds how often a peer makes us exchange keys: one costs us a thousand times what asking for it costs the peer. */
export class PeerRekeys {
  isOfStranger = false;
  readonly #admit: () => boolean;
  #left = MOST_AT_ONCE;
  #at = -Infinity;
  #ofStranger = 0;

  /** @param admit asked of each that counts, by who looks at more than this connection */
  constructor(admit: () => boolean = () => true) {
    this.#admit = admit;
  }

  /**
   * The peer begins one. @param now in milliseconds; @param bytes what has passed since the last, @param lastAt when that
   * was. @throws SshError where that is too often
   */
  count(now: number, bytes: number, lastAt: number): void {
    if (this.isOfStranger) {
      if (++this.#ofStranger > MOST_OF_A_STRANGER) throw tooOften();
      return;
    }
    if (bytes >= FREE_AFTER_BYTES || now - lastAt >= FREE_AFTER_MS) return;
    this.#left = Math.min(MOST_AT_ONCE, this.#left + ((now - this.#at) / 1000) * PER_SECOND) - 1;
    this.#at = now;
    if (this.#left < 0 || !this.#admit()) throw tooOften();
  }
}

function tooOften(): SshError {
  return new SshError('protocol', 'the peer changes its keys too often');
}
