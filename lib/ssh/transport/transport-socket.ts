import type net from 'node:net';
import type { Transport, TransportOptions } from './transport.ts';

export class TransportSocket {
  readonly transport: Transport;
  readonly socket: net.Socket;

  constructor(_socket: net.Socket, _options: Omit<TransportOptions, 'write'> & { onDrain?: () => void }) {
    throw new Error('not written yet');
  }

  get blocked(): boolean {
    return false;
  }
  pause(): void {}
  resume(): void {}
  close(): void {}
}
