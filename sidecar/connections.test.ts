/** Who gets in, what is forwarded, and what hostile peers can make the sidecar spend. No program runs here. */
import net from 'node:net';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { DEFAULT_POLICIES } from '../crds/session-policy.ts';
import type { Channel, ChannelEvents } from '../lib/ssh/connection/channel.ts';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { MSG } from '../lib/ssh/numbers.ts';
import { Writer } from '../lib/ssh/wire.ts';
import { MAX_FORWARDS, MAX_STARTUPS } from './limits.ts';
import { bothRoles, type SidecarFixture, startSidecar } from './testing/sidecar-fixture.ts';
import { limitedAssertion, rootAssertion, UserClient } from './testing/user-client.ts';

let sidecar: SidecarFixture;
const closers: (() => unknown)[] = [];

beforeEach(async () => {
  sidecar = await startSidecar({ enterPath: '/nonexistent/enter', busyboxPath: '/nonexistent/busybox' });
});
afterEach(async () => {
  for (const close of closers.splice(0)) close();
  await sidecar.close();
});

async function asserted(assertion = rootAssertion): Promise<UserClient> {
  const client = sidecar.connect();
  await client.authenticated;
  expect(await client.assert(assertion)).toBe(true);
  return client;
}

const nothing = Buffer.alloc(0);
const ignore = (): ChannelEvents => ({
  onData: () => undefined,
  onEof: () => undefined,
  onRequest: () => false,
  onWritable: () => undefined,
  onClose: () => undefined,
});

test('D1: any key but the mapping key is refused', async () => {
  const client = sidecar.connect(PrivateKey.generateEd25519());
  await expect(client.authenticated).rejects.toThrow(/refused our key/);
});

test('a client sees the host key of the Secret', async () => {
  const { mappingKey: key, port } = sidecar;
  const client = new UserClient({ port: port(), key, hostKey: PrivateKey.generateEd25519().publicKey });
  await expect(client.authenticated).rejects.toMatchObject({ code: 'host-key' });
});

test('whatever comes before an assertion ends the connection', async () => {
  const messages = [
    new Writer().byte(MSG.CHANNEL_OPEN).string('session').uint32(0).uint32(1000).uint32(1000).bytes(),
    new Writer().byte(MSG.GLOBAL_REQUEST).string('keepalive@openssh.com').boolean(true).bytes(),
    Buffer.of(MSG.CHANNEL_DATA),
    Buffer.of(200),
  ];
  for (const message of messages) {
    const client = sidecar.connect();
    await client.authenticated;
    client.link.transport.send(message);
    expect(await client.ended).toMatchObject({ code: 'disconnected' });
  }
});

test('D1: an assertion that is damaged or beyond the ceiling is refused, and the connection ends', async () => {
  await sidecar.server.setAccess({
    hostKey: sidecar.hostKey,
    mappingKeys: [sidecar.mappingKey.publicKey],
    ceiling: { ...bothRoles, roles: { limited: DEFAULT_POLICIES.limited } },
  });
  const wider = { ...limitedAssertion, policy: { ...limitedAssertion.policy, localForwarding: 'loopback' } };
  for (const assertion of [rootAssertion, wider, { ...limitedAssertion, version: 2 }, 'x', null]) {
    const client = sidecar.connect();
    await client.authenticated;
    expect(await client.assert(assertion)).toBe(false);
    expect(await client.ended).toMatchObject({ code: 'disconnected' });
  }
  expect(await (await asserted(limitedAssertion)).assert(limitedAssertion)).toBe(false);
});

test('a pod that has no uid for role limited refuses it', async () => {
  const helper = { enterPath: '/nowhere', busyboxPath: '/nowhere' };
  const restricted = await startSidecar(helper, { config: { limitedUid: undefined } });
  onTestFinished(() => restricted.close());
  const [limited, root] = [restricted.connect(), restricted.connect()];
  await Promise.all([limited.authenticated, root.authenticated]);
  expect(await limited.assert(limitedAssertion)).toBe(false);
  expect(await limited.ended).toMatchObject({ message: expect.stringContaining('this pod has no role limited') });
  expect(await root.assert(rootAssertion)).toBe(true);
});

test('a second assertion is refused, and changes nothing', async () => {
  const client = await asserted(limitedAssertion);
  expect(await client.assert(rootAssertion)).toBe(false);
  await expect(client.forward('127.0.0.1', 80, ignore)).rejects.toThrow(/\(1\)/);
});

test('other channel types and global requests are refused', async () => {
  const client = await asserted();
  const reasons = { 'direct-streamlocal@openssh.com': 1, 'tun@openssh.com': 3, x11: 3, 'forwarded-tcpip': 3 };
  for (const [type, reason] of Object.entries(reasons))
    await expect(client.connection.open(type, nothing, ignore)).rejects.toThrow(`(${reason})`);
  for (const name of [
    'tcpip-forward',
    'cancel-tcpip-forward',
    'streamlocal-forward@openssh.com',
    'keepalive@openssh.com',
  ])
    expect(await client.connection.request(name, nothing)).toBe(false);
});

test('D10: sessions are limited by the policy, and ended ones make room', async () => {
  const client = await asserted(limitedAssertion);
  const first = await client.session();
  await client.session();
  await expect(client.session()).rejects.toThrow(/no more than 2 sessions/);
  first.open.close();
  await first.done;
  await client.session();
  expect(await client.connection.request('no-more-sessions@openssh.com', nothing)).toBe(true);
  await expect(client.session()).rejects.toThrow(/no more sessions/);
});

test('a helper that cannot be run fails the session with a sentence, not the sidecar', async () => {
  const client = await asserted();
  expect(await client.exec('true')).toMatchObject({ code: 126, stderr: expect.stringMatching(/^sshaccess: /) });
});

/** A server of the app on the pod's loopback. */
async function listen(onConnection: (socket: net.Socket) => void): Promise<number> {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    closers.push(() => socket.destroy());
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

test('a forwarded connection carries data both ways, and each way closes by itself', async () => {
  const port = await listen((socket) => socket.on('end', () => socket.end('and bye')).pipe(socket, { end: false }));
  const client = await asserted();
  const heard: string[] = [];
  const closed = Promise.withResolvers<void>();
  const events = (channel: Channel): ChannelEvents => ({
    ...ignore(),
    onData: (data) => {
      heard.push(data.toString());
      channel.taken(data.length);
    },
    onEof: () => heard.push('EOF'),
    onClose: closed.resolve,
  });
  const channel = await client.forward('localhost', port, events);
  channel.write(Buffer.from('hello '));
  channel.eof();
  await closed.promise;
  expect(heard.join('')).toBe('hello and byeEOF');
});

test('what a client sent before it closed arrives, though the pod has ended its way and reads slowly', async () => {
  const sent = Buffer.alloc(2 ** 19, 'data');
  const arrived = Promise.withResolvers<number>();
  const port = await listen((socket) => {
    let length = 0;
    socket.end('bye');
    socket.on('data', (chunk) => {
      length += chunk.length;
      socket.pause();
      setTimeout(() => socket.resume(), 5);
    });
    socket.on('error', arrived.reject);
    socket.on('end', () => arrived.resolve(length));
  });
  const client = await asserted();
  const ended = Promise.withResolvers<void>();
  const channel = await client.forward('localhost', port, () => ({ ...ignore(), onEof: ended.resolve }));
  await ended.promise;
  channel.write(sent);
  channel.eof();
  channel.close();
  expect(await arrived.promise).toBe(sent.length);
});

test('what nobody listens on is refused as such, and the own port and other hosts as prohibited', async () => {
  const client = await asserted();
  const free = await listen(() => undefined);
  closers.pop()?.();
  await expect(client.forward('127.0.0.1', free, ignore)).rejects.toThrow('(2)');
  for (const host of ['10.0.0.1', '169.254.169.254', 'kubernetes.default.svc', '::ffff:127.0.0.1', '0.0.0.0'])
    await expect(client.forward(host, 80, ignore)).rejects.toThrow('(1)');
  await expect(client.forward('127.0.0.1', sidecar.port(), ignore)).rejects.toThrow('(1)');
});

test('forwarded connections are limited, and a server that never reads costs one window', async () => {
  const port = await listen((socket) => socket.pause());
  const client = await asserted();
  const channels = await Promise.all(
    Array.from({ length: MAX_FORWARDS }, () => client.forward('127.0.0.1', port, ignore)),
  );
  await expect(client.forward('127.0.0.1', port, ignore)).rejects.toThrow(/\(4\)/);
  const first = channels[0];
  expect(first?.write(Buffer.alloc(64 * 2 ** 20))).toBe(false);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(first?.waiting).toBe(true);
});

test('B4: start-ups are limited: for one more stranger, the oldest goes', async () => {
  const strangers = Array.from({ length: MAX_STARTUPS + 20 }, () => net.connect(sidecar.port(), '127.0.0.1'));
  closers.push(() => strangers.forEach((socket) => socket.destroy()));
  let refused = 0;
  for (const socket of strangers) {
    socket.resume().on('error', () => undefined);
    socket.on('close', () => refused++);
  }
  await vi.waitFor(() => expect(refused).toBe(20), { timeout: 3000 });
  expect(sidecar.server.connectionCount).toBe(MAX_STARTUPS);
});

test('B4: strangers that fill the start-ups keep nobody out', async () => {
  const strangers = Array.from({ length: MAX_STARTUPS }, () => net.connect(sidecar.port(), '127.0.0.1'));
  for (const socket of strangers) socket.on('error', () => undefined);
  closers.push(() => strangers.forEach((socket) => socket.destroy()));
  await vi.waitFor(() => expect(sidecar.server.connectionCount).toBe(MAX_STARTUPS));
  await asserted();
});

test('B4: a stranger that takes all start-ups anew, and anew, crowds out itself and not a login that is under way', async () => {
  const client = sidecar.connect();
  await client.authenticated;
  const strangers = Array.from({ length: 2 * MAX_STARTUPS }, () =>
    net.connect({ port: sidecar.port(), host: '127.0.0.1', localAddress: '127.0.0.9' }),
  );
  closers.push(() => strangers.forEach((socket) => socket.destroy()));
  let refused = 0;
  for (const socket of strangers) {
    socket.resume().on('error', () => undefined);
    socket.on('close', () => refused++);
  }
  await vi.waitFor(() => expect(refused).toBe(MAX_STARTUPS + 1), { timeout: 3000 });
  expect(await client.assert(rootAssertion)).toBe(true);
});

test('garbage ends only its own connection', async () => {
  const client = await asserted();
  const answers = ['GET / HTTP/1.1\r\n\r\n', `SSH-2.0-x\r\n${'\xff'.repeat(1000)}`, '\0'.repeat(100_000)].map(
    (garbage) =>
      new Promise<void>((resolve) => {
        const socket = net.connect(sidecar.port(), '127.0.0.1', () => socket.write(garbage, 'latin1'));
        socket.resume().on('error', () => undefined);
        socket.on('close', () => resolve());
      }),
  );
  await Promise.all(answers);
  expect(await client.connection.request('keepalive@openssh.com', nothing)).toBe(false);
});

test('withdrawn access ends connections and the listener; restored access serves again', async () => {
  const client = await asserted();
  await sidecar.server.setAccess(undefined);
  expect(await client.ended).toMatchObject({ code: 'disconnected' });
  expect(sidecar.server.port).toBeUndefined();
  await sidecar.server.setAccess({
    hostKey: sidecar.hostKey,
    mappingKeys: [sidecar.mappingKey.publicKey],
    ceiling: bothRoles,
  });
  await asserted();
});

test('a narrower ceiling ends only the connections that are beyond it; another mapping key ends all', async () => {
  const root = await asserted();
  const limited = await asserted(limitedAssertion);
  const access = { hostKey: sidecar.hostKey, mappingKeys: [sidecar.mappingKey.publicKey], ceiling: bothRoles };
  await sidecar.server.setAccess({
    ...access,
    ceiling: { ...bothRoles, roles: { limited: DEFAULT_POLICIES.limited } },
  });
  expect(await root.ended).toMatchObject({ code: 'disconnected' });
  expect(await limited.connection.request('keepalive@openssh.com', nothing)).toBe(false);
  await sidecar.server.setAccess({ ...access, mappingKeys: [PrivateKey.generateEd25519().publicKey] });
  expect(await limited.ended).toMatchObject({ code: 'disconnected' });
});

test('a mapping key is rotated: both get in for a while, then only the new one; nobody who is in is ended', async () => {
  const { hostKey, mappingKey: old, server, port } = sidecar;
  const [key, newHostKey] = [PrivateKey.generateEd25519(), PrivateKey.generateEd25519()];
  const setKeys = (mappingKeys: PrivateKey[], pod = hostKey) =>
    server.setAccess({ hostKey: pod, mappingKeys: mappingKeys.map(({ publicKey }) => publicKey), ceiling: bothRoles });
  const before = await asserted();
  await setKeys([old, key]);
  for (const either of [old, key]) await sidecar.connect(either).authenticated;
  await setKeys([key], newHostKey);
  const late = new UserClient({ port: port(), key: old, hostKey: newHostKey.publicKey });
  await expect(late.authenticated).rejects.toThrow(/refused our key/);
  await new UserClient({ port: port(), key, hostKey: newHostKey.publicKey }).authenticated;
  expect(await before.connection.request('keepalive@openssh.com', nothing)).toBe(false);
});
