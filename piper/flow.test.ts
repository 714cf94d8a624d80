import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { Connection } from '../lib/ssh/connection/connection.ts';
import type { Channel } from '../lib/ssh/connection/channel.ts';
import { readBuffers } from '../lib/ssh/transport/read-buffers.ts';
import type { PodLink } from './testing/fake-pod.ts';
import * as say from './testing/messages.ts';
import type { RawClient } from './testing/raw-client.ts';
import { keys, startRig } from './testing/rig.ts';

const MIB = 1024 * 1024;

type Flow = { sent: string; received: Promise<string> };

/** Sends `total` random bytes on a channel as fast as it takes them, and hashes all that comes. */
class Mill {
  readonly #block = randomBytes(MIB + 1);
  readonly #sent = createHash('sha256');
  readonly #got = createHash('sha256');
  readonly #received = Promise.withResolvers<string>();
  #left: number;
  channel: Channel | undefined;

  constructor(total: number) {
    this.#left = total;
  }

  readonly events = {
    onData: (data: Buffer): void => {
      this.#got.update(data);
      this.channel?.taken(data.length);
    },
    onEof: (): void => this.#received.resolve(this.#got.digest('hex')),
    onRequest: (): boolean => true,
    onWritable: (): void => this.pump(),
    onClose: (): void => this.#received.reject(new Error('closed')),
  };

  pump(): void {
    while (this.#left > 0) {
      const piece = this.#block.subarray(0, Math.min(this.#left, this.#block.length));
      this.#left -= piece.length;
      this.#sent.update(piece);
      const more = this.channel?.write(piece) ?? false;
      if (this.#left === 0) this.channel?.eof();
      if (!more) return;
    }
  }

  flow(): Flow {
    return { sent: this.#sent.copy().digest('hex'), received: this.#received.promise };
  }
}

function serveMill(mill: Mill) {
  return (link: PodLink) => {
    const connection = new Connection({
      link: link.socket,
      maxChannels: 8,
      onGlobalRequest: () => false,
      onChannelOpen: (open) =>
        open.accept((channel) => {
          mill.channel = channel;
          setImmediate(() => mill.pump());
          return mill.events;
        }),
    });
    link.onDrain = () => connection.drained();
    link.onClosed = () => connection.close();
    return (payload: Buffer) => connection.receive(payload);
  };
}

/** Lets a mill work on a session of this client's. */
async function throughPiper(client: RawClient, mill: Mill): Promise<Mill> {
  const connection = new Connection({
    link: client.link,
    maxChannels: 8,
    onGlobalRequest: () => false,
    onChannelOpen: (open) => open.refuse(1, 'no'),
  });
  client.onMessage = (payload) => connection.receive(payload);
  client.onDrain = () => connection.drained();
  client.onClosed = () => connection.close();
  await connection.open('session', Buffer.alloc(0), (channel) => {
    mill.channel = channel;
    return mill.events;
  });
  mill.pump();
  return mill;
}

test.each([
  ['neither side', {}, {}],
  ['the client', { rekeyAfterBytes: MIB }, {}],
  ['the pod', {}, { rekeyAfterBytes: MIB }],
  ['both sides', { rekeyAfterBytes: MIB }, { rekeyAfterBytes: MIB }],
])(
  'B7: 64 MiB each way at once, while %s changes keys every MiB',
  { timeout: 60_000 },
  async (_who, ofClient, ofPod) => {
    const [podMill, clientMill] = [new Mill(64 * MIB), new Mill(64 * MIB)];
    const rig = await startRig({ pod: { serve: serveMill(podMill), ...ofPod } });
    const client = await rig.login('acme-hello', keys.alice, ofClient);
    await throughPiper(client, clientMill);
    const [up, down] = [await podMill.flow().received, await clientMill.flow().received];
    expect(up).toBe(clientMill.flow().sent);
    expect(down).toBe(podMill.flow().sent);
    if ('rekeyAfterBytes' in ofClient) expect(client.exchangeSteps).toBeGreaterThan(3 * 50);
  },
);

test(
  'eight connections at once, both ways: each gets its own bytes, and the buffers come back',
  { timeout: 60_000 },
  async () => {
    const mills: Mill[] = [];
    const serve = (link: PodLink) => {
      const mill = new Mill(16 * MIB);
      mills.push(mill);
      return serveMill(mill)(link);
    };
    const rig = await startRig({ pod: { serve, rekeyAfterBytes: 4 * MIB } });
    const flows = Array.from({ length: 8 }, async (_, index) => {
      const client = await rig.login('acme-hello', keys.alice, index % 2 === 0 ? {} : { rekeyAfterBytes: 3 * MIB });
      return throughPiper(client, new Mill(16 * MIB));
    });
    const clientMills = await Promise.all(flows);
    const hashes = async (all: readonly Mill[]): Promise<{ sent: string[]; got: string[] }> => ({
      sent: all.map((mill) => mill.flow().sent).toSorted(),
      got: (await Promise.all(all.map((mill) => mill.flow().received))).toSorted(),
    });
    const gotByClients = (await hashes(clientMills)).got;
    const ofPods = await hashes(mills);
    expect(gotByClients).toEqual(ofPods.sent);
    expect(ofPods.got).toEqual((await hashes(clientMills)).sent);
    for (const client of rig.clients) client.close();
    await vi.waitFor(() => expect(readBuffers.count).toBeLessThanOrEqual(8), { timeout: 20_000 });
  },
);

test('packets of 256 KiB pass both ways, between small ones', { timeout: 120_000 }, async () => {
  const rig = await startRig();
  const client = await rig.login();
  const link = await rig.pod.links.take();
  const sizes = [1, 256 * 1024, 5, 200_000, 256 * 1024, 256 * 1024, 100];
  const messages = sizes.map((size) => say.channelData(3, randomBytes(size)));
  for (const message of messages) {
    client.send(message);
    link.send(message);
  }
  for (const message of messages) {
    expect((await link.received.take()).equals(message)).toBe(true);
    expect((await client.received.take()).equals(message)).toBe(true);
  }
});

/** Sends until the socket has taken nothing more for half a second; returns how much it took. */
async function fill(link: { blocked: boolean }, send: () => void): Promise<number> {
  let sent = 0;
  let quiet = 0;
  while (quiet < 10) {
    if (link.blocked) {
      quiet++;
      await delay(50);
      continue;
    }
    quiet = 0;
    for (let count = 0; count < 64 && !link.blocked; count++) {
      send();
      sent++;
    }
    await delay(0);
    expect(sent).toBeLessThan(10_000_000);
  }
  return sent;
}

test('B6: a client that does not read stops the pod, after what sockets hold', { timeout: 120_000 }, async () => {
  const rig = await startRig();
  const client = await rig.login();
  const link = await rig.pod.links.take();
  client.socket.pause();
  const data = say.channelData(3, Buffer.alloc(32_000));
  const sent = (await fill(link.socket, () => link.send(data))) * data.length;
  // The kernel's buffers of two loopback connections, and no more than 1 MiB of ours.
  expect(sent).toBeLessThan(24 * MIB);
  client.socket.resume();
  let got = 0;
  while (got < sent) got += (await client.received.take()).length;
  expect(got).toBe(sent);
});

test('a pod that does not read stops the client', { timeout: 120_000 }, async () => {
  const rig = await startRig();
  const client = await rig.login();
  const link = await rig.pod.links.take();
  link.socket.socket.pause();
  const data = say.channelData(3, Buffer.alloc(32_000));
  expect((await fill(client.link, () => client.send(data))) * data.length).toBeLessThan(24 * MIB);
});

test(
  'B6: a client that asks and asks and does not read the answers is read no further',
  { timeout: 120_000 },
  async () => {
    const rig = await startRig();
    const client = await rig.login();
    const link = await rig.pod.links.take();
    client.socket.pause();
    const request = say.globalRequest('tcpip-forward', true, Buffer.alloc(200));
    // Mostly the kernel's: a request of 240 bytes has an answer of 36.
    expect((await fill(client.link, () => client.send(request))) * request.length).toBeLessThan(64 * MIB);
    expect(link.received.size).toBe(0);
  },
);

test(
  'B6: a pod that asks and asks and does not read the answers is read no further',
  { timeout: 120_000 },
  async () => {
    const rig = await startRig();
    await rig.login();
    const link = await rig.pod.links.take();
    link.socket.socket.pause();
    const request = say.globalRequest('tcpip-forward', true, Buffer.alloc(200));
    expect((await fill(link.socket, () => link.send(request))) * request.length).toBeLessThan(64 * MIB);
  },
);
