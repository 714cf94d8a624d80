/** -R against a real sidecar: where it listens, for whom, how much, and how long. No program runs here. */
import net from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { IdentityAssertion } from '../../crds/identity-assertion.ts';
import { DEFAULT_POLICIES } from '../../crds/session-policy.ts';
import type { Channel, ChannelEvents } from '../../lib/ssh/connection/channel.ts';
import type { ChannelOpen } from '../../lib/ssh/connection/channel-open.ts';
import { Reader, Writer } from '../../lib/ssh/wire.ts';
import { FORWARD_WINDOW, MAX_FORWARDS, MAX_LISTENERS } from '../limits.ts';
import { bothRoles, type SidecarFixture, startSidecar } from '../testing/sidecar-fixture.ts';
import { limitedAssertion, rootAssertion, type UserClient } from '../testing/user-client.ts';

let sidecar: SidecarFixture;
const sockets: net.Socket[] = [];
const open = { ...DEFAULT_POLICIES.root, remoteForwarding: 'loopback' } as const;

beforeEach(async () => {
  const ceiling = { ...bothRoles, roles: { root: open, limited: DEFAULT_POLICIES.limited } };
  const helper = { enterPath: '/nonexistent/enter', busyboxPath: '/nonexistent/busybox' };
  sidecar = await startSidecar(helper, { ceiling, config: { processNamespace: 'isolated' } });
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await sidecar.close();
});

async function login(assertion: IdentityAssertion = { ...rootAssertion, policy: open }): Promise<UserClient> {
  const client = sidecar.connect();
  await client.authenticated;
  expect(await client.assert(assertion)).toBe(true);
  return client;
}

const endpoint = (address: string, port: number) => new Writer().string(address).uint32(port).bytes();
const listen = (client: UserClient, address: string, port: number) =>
  client.connection.request('tcpip-forward', endpoint(address, port));
const cancel = (client: UserClient, address: string, port: number) =>
  client.connection.request('cancel-tcpip-forward', endpoint(address, port));

/** Asks for any port; answers which. */
async function anyPort(client: UserClient, address = 'localhost'): Promise<number> {
  expect(await listen(client, address, 0)).toBe(true);
  return client.lastReply.readUInt32BE(0);
}

/** A program of the pod that connects. */
function dial(port: number, host = '127.0.0.1'): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host, allowHalfOpen: true }, () => resolve(socket));
    sockets.push(socket.on('error', reject));
  });
}

/** Resolves when the other end is done with it. */
const over = (socket: net.Socket) => new Promise((resolve) => socket.once('end', resolve).resume());

/** Accepts what the sidecar opens, with `events` for each channel. */
function accept(client: UserClient, events: (channel: Channel) => Partial<ChannelEvents>): ChannelOpen[] {
  const opens: ChannelOpen[] = [];
  client.onChannelOpen = (asked) => {
    opens.push(asked);
    asked.accept((channel) => ({
      onData: (data) => channel.taken(data.length),
      onEof: () => undefined,
      onRequest: () => false,
      onWritable: () => undefined,
      onClose: () => undefined,
      ...events(channel),
    }));
  };
  return opens;
}

test('data passes both ways, and each way ends by itself', async () => {
  const client = await login();
  const port = await anyPort(client, '');
  const heard: string[] = [];
  const details: unknown[] = [];
  accept(client, (channel) => ({
    onData: (data) => {
      heard.push(data.toString());
      channel.taken(data.length);
    },
    onEof: () => {
      channel.write(Buffer.from(`you said ${heard.join('')}`));
      channel.eof();
      channel.close();
    },
  }));
  const accepted = client.onChannelOpen;
  client.onChannelOpen = (asked) => {
    const { fields } = asked;
    details.push([asked.type, fields.utf8(), fields.uint32(), fields.utf8(), fields.uint32()]);
    accepted(asked);
  };
  const socket = await dial(port);
  const { localPort } = socket;
  socket.end('hello');
  let answer = '';
  socket.on('data', (data: Buffer) => (answer += data.toString()));
  await vi.waitFor(() => expect(answer).toBe('you said hello'));
  expect(details).toEqual([['forwarded-tcpip', '', port, '127.0.0.1', localPort]]);
});

test('whatever address is asked for, the loopback is bound, both of it, and nothing else', async () => {
  const client = await login();
  const other = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4')?.address;
  for (const address of ['', 'localhost', '127.0.0.1', '::1', '*', '0.0.0.0', '::', '10.1.2.3', 'example.com']) {
    const port = await anyPort(client, address);
    await dial(port);
    await dial(port, '::1');
    if (other !== undefined) await expect(dial(port, other)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(await cancel(client, address, port)).toBe(true);
  }
});

test('a port that is taken on one of the two addresses is refused', async () => {
  const client = await login();
  for (const host of ['127.0.0.1', '::1']) {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    const address = server.address();
    const port = address === null || typeof address === 'string' ? 0 : address.port;
    expect(await listen(client, 'localhost', port)).toBe(false);
    server.close();
  }
});

test("low ports are for a session of uid 0, and the sidecar's own port and nonsense for nobody", async () => {
  const client = await login();
  for (const port of [1, 22, 80, 1023, sidecar.port(), 65_536, 4_294_967_295])
    expect([port, await listen(client, 'localhost', port)]).toEqual([port, false]);
  expect(await listen(client, 'x'.repeat(256), 0)).toBe(false);
});

test('a policy without -R has none, and nothing to cancel', async () => {
  const root = await login();
  const port = await anyPort(root);
  const limited = await login(limitedAssertion);
  expect(await listen(limited, 'localhost', 0)).toBe(false);
  expect(await cancel(limited, 'localhost', port)).toBe(false);
  await dial(port);
});

test("D4: nobody cancels another's, nor their own in other words; after a cancel nobody is let in", async () => {
  const [one, two] = [await login(), await login()];
  const port = await anyPort(one);
  expect(await cancel(two, 'localhost', port)).toBe(false);
  expect(await cancel(one, '127.0.0.1', port)).toBe(false);
  expect(await cancel(one, 'localhost', port)).toBe(true);
  expect(await cancel(one, 'localhost', port)).toBe(false);
  await expect(dial(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('requests that are sent at once are served in order', async () => {
  const client = await login();
  const port = await anyPort(client);
  expect(await cancel(client, 'localhost', port)).toBe(true);
  const answers = [
    listen(client, 'localhost', port),
    cancel(client, 'localhost', port),
    client.connection.request('keepalive@openssh.com', Buffer.alloc(0)),
    listen(client, 'localhost', port),
    listen(client, 'localhost', port),
  ];
  expect(await Promise.all(answers)).toEqual([true, true, false, true, false]);
});

test('the end of the connection ends its listeners, also those that are being made', async () => {
  const client = await login();
  const port = await anyPort(client);
  void listen(client, 'localhost', 0);
  await client.close();
  await vi.waitFor(() => expect(dial(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' }));
});

test('listeners are limited', async () => {
  const client = await login();
  for (let count = 0; count < MAX_LISTENERS; count++) await anyPort(client);
  expect(await listen(client, 'localhost', 0)).toBe(false);
});

test('connections are limited, those that the client never answers included; refused ones make room', async () => {
  const client = await login();
  const port = await anyPort(client);
  const opens: ChannelOpen[] = [];
  client.onChannelOpen = (asked) => opens.push(asked);
  const all = await Promise.all(Array.from({ length: MAX_FORWARDS }, () => dial(port)));
  await vi.waitFor(() => expect(opens.length).toBe(MAX_FORWARDS));
  const oneMore = await dial(port);
  await over(oneMore);
  opens[0]?.refuse(1, 'no');
  await Promise.race(all.map(over));
  await dial(port);
  await vi.waitFor(() => expect(opens.length).toBe(MAX_FORWARDS + 1));
});

test('a program that closes before the client has answered leaves no channel', async () => {
  const client = await login();
  const port = await anyPort(client);
  const asked = Promise.withResolvers<ChannelOpen>();
  client.onChannelOpen = asked.resolve;
  const socket = await dial(port);
  const pending = await asked.promise;
  socket.resetAndDestroy();
  await new Promise((resolve) => setTimeout(resolve, 50));
  const closed = Promise.withResolvers<void>();
  pending.accept(() => ({
    onData: () => undefined,
    onEof: () => undefined,
    onRequest: () => false,
    onWritable: () => undefined,
    onClose: closed.resolve,
  }));
  await closed.promise;
});

test('flow control: a client that does not read stops the program, and one window is what the sidecar takes', async () => {
  const client = await login();
  const port = await anyPort(client);
  let received = 0;
  let channel: Channel | undefined;
  accept(client, (opened) => {
    channel = opened;
    return { onData: (data) => void (received += data.length) };
  });
  const socket = await dial(port);
  const total = 32 * 2 ** 20;
  socket.write(Buffer.alloc(total));
  await vi.waitFor(() => expect(received).toBe(2 * 2 ** 20));
  expect(socket.writableLength).toBeGreaterThan(0);
  channel?.taken(received);
  await vi.waitFor(() => expect(received).toBe(4 * 2 ** 20));
  // The other way: the program does not read.
  expect(channel?.write(Buffer.alloc(total))).toBe(false);
  await vi.waitFor(() => expect(channel?.waiting).toBe(true));
  expect(FORWARD_WINDOW).toBeLessThan(2 ** 20);
});

test('what is no request at all ends the connection', async () => {
  const client = await login();
  void client.connection.request('tcpip-forward', new Reader(Buffer.of(0, 0, 0, 9, 1)).rest());
  expect(await client.ended).toMatchObject({ code: 'disconnected' });
});
