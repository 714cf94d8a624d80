import type net from 'node:net';
import { SshError } from '../errors.ts';
import { BatchedOutput, inBatch } from './batched-output.ts';
import type { TransportOptions } from './options.ts';
import { readPooled, type ReceiveChunk } from './pooled-reads.ts';
import { Transport } from './transport.ts';

export type TransportSocketOptions = Omit<TransportOptions, 'write'> & {
  /** `blocked` may have become false. */
  onDrain?: () => void;
  /**
   * Reads into buffers of all (pooled-reads.ts): for many connections and much data. Then what onMessage gets is really
   * gone after the call.
   */
  readsPooled?: boolean;
};

// Payloads that wait for a key exchange: more than a round trip's worth is the sender's to hold back.
const MAX_QUEUED_BYTES = 4 * 2 ** 20;
// What a paused side still reads while the peer has not answered our KEXINIT.
const MAX_UNANSWERED_BYTES = 16 * 2 ** 20;
const DESTROY_AFTER_MS = 1000;

/**
 * A Transport on a socket. The owner does three things: when `blocked` is true it stops producing for this side (a
 * piper pauses the other side), it goes on at onDrain, and it calls close() when it has lost interest. onClose of the
 * options is called exactly once, whoever ends the connection.
 */
export class TransportSocket {
  readonly transport: Transport;
  readonly socket: net.Socket;
  readonly #onDrain: () => void;
  readonly #output: BatchedOutput;
  #wantsPause = false;
  #wasBlocked = false;

  constructor(given: net.Socket, options: TransportSocketOptions) {
    this.#onDrain = options.onDrain ?? (() => {});
    this.transport = new Transport({
      ...options,
      write: (chunk) => this.#output.write(chunk),
      onExchangeStep: () => {
        options.onExchangeStep?.();
        this.#review();
      },
      onClose: (error) => {
        this.#end();
        options.onClose(error);
      },
    });
    const receive: ReceiveChunk = (chunk, mostRest) => this.#receive(chunk, mostRest);
    const own = options.readsPooled === true ? readPooled(given, receive) : undefined;
    const socket = own ?? given;
    this.socket = socket;
    this.#output = new BatchedOutput(socket);
    // Small packets wait for nobody: Nagle's algorithm costs 40 ms per round trip (piping measurements).
    socket.setNoDelay(true);
    if (own === undefined) socket.on('data', (chunk: Buffer) => this.#receive(chunk, 0));
    socket.on('drain', () => this.#review());
    socket.on('end', () => this.#lost());
    socket.on('close', () => this.#lost());
    socket.on('error', (cause) => this.#lost(cause));
  }

  /** Too much is waiting for the peer: in the socket, or for the end of a key exchange. Who has seen it gets onDrain. */
  get blocked(): boolean {
    const blocked = this.socket.writableNeedDrain || this.transport.queuedBytes > MAX_QUEUED_BYTES;
    if (blocked) this.#wasBlocked = true;
    return blocked;
  }

  /** Stops reading from the peer, except for what a key exchange under way still needs. */
  pause(): void {
    this.#wantsPause = true;
    this.#review();
  }

  resume(): void {
    this.#wantsPause = false;
    this.#review();
  }

  /** Ends the connection without a word; say it with transport.disconnect() instead when there is one to say. */
  close(): void {
    this.transport.abort();
  }

  #receive(chunk: Buffer, mostRest: number): number {
    const rest = inBatch(() => this.transport.receive(chunk, mostRest));
    this.#review();
    return rest;
  }

  /** Makes the socket's state what it should be: level, not edge. */
  #review(): void {
    if (this.transport.closed) return;
    const pauses = this.#wantsPause && !this.#mustRead();
    this.transport.holdsRekey = pauses;
    if (pauses !== this.socket.isPaused()) {
      if (pauses) this.socket.pause();
      else this.socket.resume();
    }
    if (!this.blocked && this.#wasBlocked) {
      this.#wasBlocked = false;
      this.#onDrain();
    }
  }

  // Two sides that wait for each other's queue, both in a key exchange and both paused, would wait for ever. The peer
  // that has answered our KEXINIT sends no data until it is over, so reading costs nothing; before that, it is bounded.
  #mustRead(): boolean {
    return this.transport.isExchangingKeys && this.transport.unansweredBytes < MAX_UNANSWERED_BYTES;
  }

  #lost(cause?: unknown): void {
    // Most are closed by then, and an error with its stack trace is dear.
    if (this.transport.closed) return;
    this.transport.abort(new SshError('closed', 'the peer closed the connection', { cause }));
  }

  #end(): void {
    const { socket } = this;
    if (socket.destroyed) return;
    this.#output.flush();
    // Whatever still comes is thrown away, so that the peer's FIN is seen.
    socket.resume();
    socket.end();
    // A peer that never closes its side must not keep ours (FIN-WAIT-2).
    const timer = setTimeout(() => socket.destroy(), DESTROY_AFTER_MS).unref();
    socket.once('close', () => clearTimeout(timer));
  }
}
