import type { SshError } from '../errors.ts';
import { PrivateKey } from '../keys/private-key.ts';
import type { TransportOptions } from '../transport/options.ts';
import { Transport } from '../transport/transport.ts';

export type SshPairOptions = {
  client?: Partial<TransportOptions>;
  server?: Partial<TransportOptions>;
  /** Splits what is written into pieces of at most this many bytes. */
  chunkSize?: number;
  /** Sees each written chunk (the ident line, then one packet each) and says what arrives instead. */
  tamper?: (to: 'client' | 'server', chunk: Buffer, index: number) => Buffer[];
};

/** One end of the pair, with everything that happened to it. */
export type SshEnd = {
  readonly transport: Transport;
  /** Copies of the payloads given to onMessage. */
  readonly messages: Buffer[];
  ready: boolean;
  /** How often onClose was called, and with what. */
  readonly closes: (SshError | undefined)[];
};

/** Two transports, connected in memory. */
export type SshPair = {
  client: SshEnd;
  server: SshEnd;
  hostKey: PrivateKey;
  /** Bytes that reach one side without the other having sent them. */
  inject: (to: 'client' | 'server', chunk: Buffer) => void;
  /** Starts both, if they are not, and delivers everything that is under way until nothing is. */
  settle: () => void;
};

type Wire = { to: 'client' | 'server'; chunk: Buffer };

export function connectSshPair(options: SshPairOptions = {}): SshPair {
  const hostKey = PrivateKey.generateEd25519();
  const wires: Wire[] = [];
  const written = { client: 0, server: 0 };
  const put = (to: 'client' | 'server', chunk: Buffer): void => {
    const copy = Buffer.from(chunk);
    const arriving = options.tamper?.(to, copy, written[to]) ?? [copy];
    written[to]++;
    for (const piece of arriving) deliver(to, piece);
  };
  const deliver = (to: 'client' | 'server', chunk: Buffer): void => {
    const size = options.chunkSize ?? chunk.length;
    // Copies: a transport decrypts in place, and what it was given may be the writer's.
    for (let at = 0; at < chunk.length; at += size)
      wires.push({ to, chunk: Buffer.from(chunk.subarray(at, at + size)) });
  };
  const common = { software: 'OpenSSH_9.9 test' };
  const client = makeEnd({
    ...common,
    role: 'client',
    verifyHostKey: (key) => key.equals(hostKey.publicKey),
    write: (chunk) => put('server', chunk),
    ...options.client,
  });
  const server = makeEnd({
    ...common,
    role: 'server',
    hostKeys: [hostKey],
    write: (chunk) => put('client', chunk),
    ...options.server,
  });
  const settle = (): void => {
    client.transport.start();
    server.transport.start();
    for (let wire = wires.shift(); wire !== undefined; wire = wires.shift()) {
      (wire.to === 'client' ? client : server).transport.receive(wire.chunk);
    }
  };
  return { client, server, hostKey, inject: deliver, settle };
}

type EndOptions = Omit<TransportOptions, 'onReady' | 'onMessage' | 'onClose'> & Partial<TransportOptions>;

function makeEnd(options: EndOptions): SshEnd {
  const messages: Buffer[] = [];
  const closes: (SshError | undefined)[] = [];
  const transport = new Transport({
    ...options,
    onReady: () => {
      end.ready = true;
      options.onReady?.();
    },
    onMessage: (payload) => {
      messages.push(Buffer.from(payload));
      options.onMessage?.(payload);
    },
    onClose: (error) => {
      closes.push(error);
      options.onClose?.(error);
    },
  });
  const end: SshEnd = { transport, messages, ready: false, closes };
  return end;
}
