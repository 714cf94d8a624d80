import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { SshError } from '../errors.ts';
import { PrivateKey } from '../keys/private-key.ts';
import { MSG } from '../numbers.ts';
import type { TransportSocketOptions } from './transport-socket.ts';
import { readBuffers } from './read-buffers.ts';
import { TransportSocket } from './transport-socket.ts';

type End = {
  side: TransportSocket;
  received: number;
  digest: number[];
  closes: (SshError | undefined)[];
  drains: number;
};

// What is given back is overwritten: whoever goes on using it, sends or hashes garbage.
readBuffers.poisons = true;

const hostKey = PrivateKey.generateEd25519();
const open: net.Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

function wrap(socket: net.Socket, role: 'client' | 'server', changes: Partial<TransportSocketOptions> = {}): End {
  const end = { received: 0, digest: new Array<number>(), closes: new Array<SshError | undefined>(), drains: 0 };
  const side = new TransportSocket(socket, {
    role,
    software: 'OpenSSH_9.9',
    hostKeys: [hostKey],
    verifyHostKey: (key) => key.equals(hostKey.publicKey),
    onReady: () => changes.onReady?.(),
    onMessage: (payload) => {
      end.received += payload.length;
      end.digest.push(payload.readUInt32BE(1));
      changes.onMessage?.(payload);
    },
    onDrain: () => {
      end.drains++;
      changes.onDrain?.();
    },
    onClose: (error) => {
      end.closes.push(error);
      changes.onClose?.(error);
    },
    ...(changes.rekeyAfterBytes === undefined ? {} : { rekeyAfterBytes: changes.rekeyAfterBytes }),
    readsPooled: changes.readsPooled ?? false,
  });
  return Object.assign(end, { side });
}

/** Two raw sockets, connected over loopback. */
async function connect(): Promise<{ near: net.Socket; far: net.Socket }> {
  const server = net.createServer();
  open.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const accepted = new Promise<net.Socket>((resolve) => server.once('connection', resolve));
  const near = net.connect(address.port, '127.0.0.1');
  await once(near, 'connect');
  return { near, far: await accepted };
}

async function connectedPair(
  client: Partial<TransportSocketOptions> = {},
  server: Partial<TransportSocketOptions> = {},
): Promise<{ client: End; server: End }> {
  const { near, far } = await connect();
  const ready = Promise.withResolvers<void>();
  const ends = {
    client: wrap(near, 'client', { ...client, onReady: () => ready.resolve() }),
    server: wrap(far, 'server', server),
  };
  ends.client.side.transport.start();
  ends.server.side.transport.start();
  await ready.promise;
  return ends;
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const LENGTH = 32_768;
function numbered(index: number): Buffer {
  const payload = Buffer.alloc(LENGTH, index);
  payload.writeUInt8(MSG.CHANNEL_DATA, 0);
  payload.writeUInt32BE(index, 1);
  return payload;
}

/** Sends while the side lets it, as an owner should. */
function pump(end: End, count: number): { go: () => void; sent: () => number } {
  let sent = 0;
  const go = (): void => {
    while (sent < count && !end.side.blocked) end.side.transport.send(numbered(sent++));
  };
  return { go, sent: () => sent };
}

describe.each([
  { reads: 'into buffers of its own', readsPooled: false },
  { reads: 'into pooled buffers', readsPooled: true },
])('a socket that reads $reads', ({ readsPooled }) => {
  const pair = (client: Partial<TransportSocketOptions> = {}, server: Partial<TransportSocketOptions> = {}) =>
    connectedPair({ ...client, readsPooled }, { ...server, readsPooled });

  test('B7: data both ways with rekeys from both sides and backpressure, over TCP', { timeout: 60_000 }, async () => {
    const count = 1500;
    let pumps: { go: () => void }[] = [];
    const drained = { rekeyAfterBytes: 5_000_000, onDrain: () => pumps.forEach(({ go }) => go()) };
    const { client, server } = await pair(drained, drained);
    pumps = [pump(client, count), pump(server, count)];
    for (const { go } of pumps) go();
    await until(() => client.received === count * LENGTH && server.received === count * LENGTH);
    const inOrder = Array.from({ length: count }, (_, index) => index);
    expect(client.digest).toEqual(inOrder);
    expect(server.digest).toEqual(inOrder);
    expect([client.closes, server.closes]).toEqual([[], []]);
    client.side.close();
    server.side.close();
  });

  test('a side that is paused stops its peer, and goes on where it was', { timeout: 60_000 }, async () => {
    let go = (): void => {};
    const { client, server } = await pair({ onDrain: () => go() });
    server.side.pause();
    const pumping = pump(client, 2000);
    go = pumping.go;
    go();
    await until(() => client.side.blocked);
    // The kernel's buffers take some; then nothing moves, and nothing piles up in this process.
    const stalled = pumping.sent();
    expect(stalled).toBeLessThan(2000);
    expect(client.side.socket.writableLength).toBeLessThan(2 ** 20);
    server.side.resume();
    await until(() => server.received === 2000 * LENGTH);
    expect(server.digest.at(-1)).toBe(1999);
    client.side.close();
  });

  test('a paused side still finishes a key exchange, and stays paused after it', { timeout: 60_000 }, async () => {
    const { client, server } = await pair();
    server.side.transport.rekey();
    server.side.pause();
    await until(() => !server.side.transport.isExchangingKeys);
    expect(server.side.socket.isPaused()).toBe(true);
    client.side.transport.send(numbered(1));
    server.side.resume();
    await until(() => server.received === LENGTH);
    client.side.close();
  });

  test(
    'B7: simultaneous rekeys of two sides that pause each other do not wait for ever',
    { timeout: 60_000 },
    async () => {
      // A piper: downstream and upstream, each paused while the other is blocked.
      const outer = await pair();
      const inner = await pair();
      const piped = [outer.server, inner.client] as const;
      for (const { one, other } of [
        { one: piped[0], other: piped[1] },
        { one: piped[1], other: piped[0] },
      ]) {
        one.side.socket.on('drain', () => (one.side.blocked ? other.side.pause() : other.side.resume()));
      }
      for (const end of piped) end.side.transport.rekey();
      for (const end of piped) end.side.pause();
      outer.client.side.transport.rekey();
      inner.server.side.transport.rekey();
      await until(() => piped.every(({ side }) => !side.transport.isExchangingKeys));
      expect(piped.map(({ closes }) => closes)).toEqual([[], []]);
      for (const end of [outer.client, inner.server]) end.side.close();
    },
  );

  describe('the end', () => {
    test('by the peer, without a word', async () => {
      const { client, server } = await pair();
      client.side.socket.destroy();
      await until(() => server.closes.length > 0);
      expect(server.closes).toEqual([expect.objectContaining({ code: 'closed' })]);
    });

    test('by us: the peer reads our reason, both sockets go', async () => {
      const { client, server } = await pair();
      server.side.transport.disconnect(11, 'bye');
      await until(() => client.closes.length > 0 && client.side.socket.destroyed && server.side.socket.destroyed);
      expect(client.closes).toEqual([expect.objectContaining({ code: 'disconnected', disconnectReason: 11 })]);
      expect(server.closes).toEqual([undefined]);
    });

    test('garbage: a peer that keeps its half open does not keep our socket', async () => {
      const { near, far } = await connect();
      const server = wrap(far, 'server', { readsPooled });
      server.side.transport.start();
      near.write('GET / HTTP/1.1\r\n\r\n');
      await until(() => server.side.socket.destroyed);
      expect(server.closes).toEqual([expect.objectContaining({ code: 'protocol' })]);
      near.destroy();
    });
  });
});
