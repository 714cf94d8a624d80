/** Sockets of the app, both ways, with the real helper. There is no app, so its files are those of this machine. */
import { existsSync, statSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { DEFAULT_POLICIES } from '../../crds/session-policy.ts';
import type { Channel, ChannelEvents } from '../../lib/ssh/connection/channel.ts';
import { Writer } from '../../lib/ssh/wire.ts';
import { buildEnter } from '../enter/testing/build-enter.ts';
import { MAX_LISTENERS } from '../limits.ts';
import { bothRoles, type SidecarFixture, startSidecar } from '../testing/sidecar-fixture.ts';
import { rootAssertion, type UserClient } from '../testing/user-client.ts';
import { joinSocket } from './forwards.ts';

const open = { ...DEFAULT_POLICIES.root, socketForwarding: true };
const TOOLBOX_UID = 65_532;
let sidecar: SidecarFixture;
let folder: string;

beforeAll(async () => {
  const ceiling = { ...bothRoles, roles: { root: open } };
  sidecar = await startSidecar({ enterPath: await buildEnter(), busyboxPath: '/bin/busybox' }, { ceiling });
  folder = await mkdtemp(join(tmpdir(), 'forwarded-'));
  await chmod(folder, 0o777);
}, 120_000);
afterAll(async () => {
  await sidecar.close();
  await rm(folder, { recursive: true });
});

async function login(policy = open): Promise<UserClient> {
  const client = sidecar.connect();
  await client.authenticated;
  expect(await client.assert({ ...rootAssertion, policy })).toBe(true);
  onTestFinished(() => client.close().then(() => undefined));
  return client;
}

const text = (...values: string[]) => values.reduce((writer, value) => writer.string(value), new Writer());
const listen = (client: UserClient, path: string) =>
  client.connection.request('streamlocal-forward@openssh.com', text(path).bytes());
const cancel = (client: UserClient, path: string) =>
  client.connection.request('cancel-streamlocal-forward@openssh.com', text(path).bytes());
const dial = (client: UserClient, path: string, events: (channel: Channel) => ChannelEvents) =>
  client.connection.open('direct-streamlocal@openssh.com', text(path, '').uint32(0).bytes(), events);

const ignore = (channel: Channel): ChannelEvents => ({
  onData: (data) => channel.taken(data.length),
  onEof: () => undefined,
  onRequest: () => false,
  onWritable: () => undefined,
  onClose: () => undefined,
});

/** A program of this machine that answers with what it heard. */
async function echoAt(path: string, mode: number): Promise<void> {
  const server = net.createServer({ allowHalfOpen: true }, (socket) =>
    socket.on('error', () => undefined).pipe(socket),
  );
  await new Promise<void>((resolve) => server.listen(path, resolve));
  await chmod(path, mode);
  onTestFinished(() => void server.close());
}

test('a socket of the app is reached, both ways, each of which ends by itself', async () => {
  const path = join(folder, 'echo');
  await echoAt(path, 0o777);
  const client = await login();
  const heard: Buffer[] = [];
  const ended = Promise.withResolvers<void>();
  const channel = await dial(client, path, (opened) => ({
    ...ignore(opened),
    onData: (data) => {
      heard.push(Buffer.from(data));
      opened.taken(data.length);
    },
    onEof: ended.resolve,
  }));
  const sent = Buffer.alloc(3 * 2 ** 20, 'abcdefg');
  channel.write(sent);
  channel.eof();
  await ended.promise;
  expect(Buffer.concat(heard).equals(sent)).toBe(true);
});

test("it is reached with the user's rights, and what cannot be reached is said", async () => {
  const client = await login();
  const path = join(folder, 'of-root');
  await echoAt(path, 0o700);
  await expect(dial(client, path, ignore)).rejects.toThrow(/\(2\).*Permission denied/);
  await expect(dial(client, join(folder, 'nobody'), ignore)).rejects.toThrow(/\(2\).*No such file/);
  for (const nonsense of ['', 'relative', '\0abstract', `/a\0b`, `/${'x'.repeat(107)}`])
    await expect(dial(client, nonsense, ignore)).rejects.toThrow(/\(2\)/);
});

test("the client's socket is served to the app: the file is the user's alone, and goes with the cancel", async () => {
  const client = await login();
  const path = join(folder, 'served');
  expect(await listen(client, path)).toBe(true);
  expect([statSync(path).uid, statSync(path).mode & 0o777]).toEqual([TOOLBOX_UID, 0o600]);
  const local = join(folder, 'local');
  await echoAt(local, 0o777);
  const asked: string[] = [];
  client.onChannelOpen = (opening) => {
    asked.push(opening.type, opening.fields.utf8());
    opening.accept((channel) => joinSocket(net.connect({ path: local, allowHalfOpen: true }), channel));
  };
  const program = net.connect({ path, allowHalfOpen: true });
  program.end('through the client');
  expect((await buffer(program)).toString()).toBe('through the client');
  expect(asked).toEqual(['forwarded-streamlocal@openssh.com', path]);
  expect(await cancel(client, path)).toBe(true);
  await vi.waitFor(() => expect(existsSync(path)).toBe(false));
  expect(await cancel(client, path)).toBe(false);
});

test("nobody cancels another's, a path that exists stays as it is, and the end of the connection ends all", async () => {
  const [one, two] = [await login(), await login()];
  const path = join(folder, 'mine');
  expect(await listen(one, path)).toBe(true);
  expect(await cancel(two, path)).toBe(false);
  expect(await listen(two, path)).toBe(false);
  expect(await listen(one, '/nowhere/at/all')).toBe(false);
  expect(existsSync(path)).toBe(true);
  await one.close();
  await vi.waitFor(() => expect(existsSync(path)).toBe(false));
});

test('listeners are limited, whatever they are', async () => {
  const client = await login();
  for (let count = 0; count < MAX_LISTENERS; count++)
    expect(await listen(client, join(folder, `many-${count}`))).toBe(true);
  expect(await listen(client, join(folder, 'one-more'))).toBe(false);
}, 20_000);

test('a policy without sockets has none', async () => {
  const client = await login(DEFAULT_POLICIES.root);
  await expect(dial(client, join(folder, 'echo'), ignore)).rejects.toThrow(/\(1\)/);
  expect(await listen(client, join(folder, 'never'))).toBe(false);
  expect(existsSync(join(folder, 'never'))).toBe(false);
});
