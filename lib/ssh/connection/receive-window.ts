import { SshError } from '../errors.ts';
import { RECEIVE_MAX_PACKET } from './limits.ts';

/** Our side of a channel's flow control (RFC 4254 §5.2): what the peer may still send. */
export class ReceiveWindow {
  readonly #size: number;
  #open: number;
  #taken = 0;

  constructor(size: number) {
    this.#size = size;
    this.#open = size;
  }

  /** @throws SshError where the peer sent more than it was allowed to. */
  receive(length: number): void {
    if (length > RECEIVE_MAX_PACKET) throw new SshError('protocol', 'channel data exceeds the maximum packet size');
    if (length > this.#open) throw new SshError('protocol', 'channel data exceeds the window');
    this.#open -= length;
  }

  /** The consumer has taken `length` bytes. Returns by how much to adjust the peer's window now: often 0, for few messages. */
  take(length: number): number {
    this.#taken += length;
    if (this.#taken < this.#size / 4) return 0;
    const adjustment = this.#taken;
    this.#taken = 0;
    this.#open += adjustment;
    return adjustment;
  }
}
