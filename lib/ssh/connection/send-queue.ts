import { SshError } from '../errors.ts';
import { EXTENDED_DATA_STDERR, MSG } from '../numbers.ts';
import type { Link } from './link.ts';
import { MAX_WINDOW, SEND_MAX_PACKET } from './limits.ts';

type Item = { data: Uint8Array; stderr: boolean } | { message: Uint8Array };

// CHANNEL_DATA: byte, recipient, length. CHANNEL_EXTENDED_DATA: the data type between the last two.
const DATA_HEADER = 9;
const EXTENDED_DATA_HEADER = 13;

const scratch = Buffer.allocUnsafe(EXTENDED_DATA_HEADER + SEND_MAX_PACKET);

/**
 * What a channel has to send, in order: data waits for the peer's window and for the socket, and the messages
 * behind data (EOF, exit-status, CLOSE) wait for it.
 */
export class SendQueue {
  readonly #link: Link;
  readonly #recipient: number;
  readonly #maxPacket: number;
  #window: number;
  #items: Item[] = [];

  constructor(link: Link, recipient: number, peer: { window: number; maxPacket: number }) {
    this.#link = link;
    this.#recipient = recipient;
    this.#maxPacket = Math.min(peer.maxPacket, SEND_MAX_PACKET);
    this.#window = peer.window;
  }

  get isEmpty(): boolean {
    return this.#items.length === 0;
  }

  /** @throws SshError where the window would exceed what RFC 4254 §5.2 allows. */
  adjust(bytes: number): void {
    if (this.#window + bytes > MAX_WINDOW) throw new SshError('protocol', 'a window adjustment exceeds 2^32 - 1');
    this.#window += bytes;
  }

  data(data: Uint8Array, stderr: boolean): void {
    if (data.length > 0) this.#items.push({ data, stderr });
  }

  message(message: Uint8Array): void {
    this.#items.push({ message });
  }

  /** The peer takes no more data; the messages behind it still go. */
  dropData(): void {
    this.#items = this.#items.filter((item) => 'message' in item);
  }

  clear(): void {
    this.#items = [];
  }

  /** Sends what may be sent. */
  flush(): void {
    for (let item = this.#items[0]; item !== undefined; item = this.#items[0]) {
      if ('message' in item) {
        this.#link.transport.send(item.message);
      } else if (!this.#sendPiece(item)) {
        return;
      } else if (item.data.length > 0) {
        continue;
      }
      this.#items.shift();
    }
  }

  #sendPiece(item: { data: Uint8Array; stderr: boolean }): boolean {
    if (this.#window === 0 || this.#link.blocked) return false;
    const length = Math.min(item.data.length, this.#window, this.#maxPacket);
    this.#link.transport.send(this.#encode(item.data.subarray(0, length), item.stderr));
    this.#window -= length;
    item.data = item.data.subarray(length);
    return true;
  }

  // The transport copies what it sends before it returns, so one buffer serves all channels of the process.
  #encode(data: Uint8Array, stderr: boolean): Buffer {
    const header = stderr ? EXTENDED_DATA_HEADER : DATA_HEADER;
    const payload = scratch.subarray(0, header + data.length);
    payload.writeUInt8(stderr ? MSG.CHANNEL_EXTENDED_DATA : MSG.CHANNEL_DATA, 0);
    payload.writeUInt32BE(this.#recipient, 1);
    if (stderr) payload.writeUInt32BE(EXTENDED_DATA_STDERR, 5);
    payload.writeUInt32BE(data.length, header - 4);
    payload.set(data, header);
    return payload;
  }
}
