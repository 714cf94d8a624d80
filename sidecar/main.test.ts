/** The sidecar as a process of its own: its life, and how much memory hostile peers can make it hold. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { RECEIVE_MAX_PACKET } from '../lib/ssh/connection/limits.ts';
import { MSG } from '../lib/ssh/numbers.ts';
import { Writer } from '../lib/ssh/wire.ts';
import { buildEnter } from './enter/testing/build-enter.ts';
import { runSidecar } from './testing/sidecar-process.ts';
import { rootAssertion, type TestSession, type UserClient } from './testing/user-client.ts';

/**
 * MiB that all of these attacks together may add to what the idle sidecar holds. Most of it is buffers that V8 has not
 * collected yet; what the connections really hold is a window each way for each channel.
 */
const BOUND = 128;

let idle: number;
let sidecar: Awaited<ReturnType<typeof runSidecar>>;

beforeAll(async () => {
  sidecar = await runSidecar(await buildEnter());
}, 120_000);
afterAll(() => sidecar.stop());

async function asserted(): Promise<UserClient> {
  const client = sidecar.connect();
  await client.authenticated;
  expect(await client.assert(rootAssertion)).toBe(true);
  return client;
}

const listening = () => vi.waitFor(() => expect(sidecar.port()).toBeDefined(), { timeout: 10_000 });
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const globalRequest = new Writer().byte(MSG.GLOBAL_REQUEST).string('keepalive@openssh.com').boolean(true).bytes();

/** Sends messages until the sidecar has stopped reading for a second, or `most` are gone. */
async function flood(client: UserClient, most: number, message: (index: number) => Uint8Array): Promise<number> {
  let sent = 0;
  for (let stuck = 0; sent < most && stuck < 20;) {
    if (client.link.blocked) {
      stuck++;
      await sleep(50);
      continue;
    }
    stuck = 0;
    for (let burst = 0; burst < 500 && sent < most && !client.link.blocked; burst++)
      client.link.transport.send(message(sent++));
    await sleep(0);
  }
  return sent;
}

test('without its Secret the sidecar is dormant; with it, it serves; idle it is small', async () => {
  await vi.waitFor(
    () => expect(sidecar.log.map(({ msg }) => msg)).toContain('the secret is not there; dormant'),
    10_000,
  );
  expect(sidecar.port()).toBeUndefined();
  await sidecar.publish();
  await listening();
  // Nobody has asked for metrics.
  expect(sidecar.listeningSockets()).toBe(1);
  const client = await asserted();
  expect(await client.exec('exit 3')).toMatchObject({ code: 3 });
  expect(sidecar.stderr.at(-1)).toMatch(
    /SSH_AUDIT exec user=acme-my-llm src=203\.0\.113\.7 session=test-1 cmd=exit\\ 3$/,
  );
  await client.close();
  idle = sidecar.memory('VmRSS');
}, 30_000);

test('requests without end, their answers never read: the sidecar stops reading', async () => {
  const client = await asserted();
  client.link.pause();
  const sent = await flood(client, 1_000_000, () => globalRequest);
  expect(sent).toBeLessThan(1_000_000);
  expect(sidecar.memory('VmHWM') - idle).toBeLessThan(BOUND);
  client.link.close();
}, 30_000);

test('100,000 channel opens, and a million window adjustments', async () => {
  const client = await asserted();
  const open = (remote: number) =>
    new Writer()
      .byte(MSG.CHANNEL_OPEN)
      .string('session')
      .uint32(remote)
      .uint32(2 ** 32 - 1)
      .uint32(0x8000)
      .bytes();
  client.onPayload = () => undefined;
  expect(await flood(client, 100_000, open)).toBe(100_000);
  const adjust = new Writer().byte(MSG.CHANNEL_WINDOW_ADJUST).uint32(0).uint32(0).bytes();
  expect(await flood(client, 1_000_000, () => adjust)).toBe(1_000_000);
  expect(sidecar.memory('VmHWM') - idle).toBeLessThan(BOUND);
  client.link.close();
}, 60_000);

test('endless output and an enormous window, never read', async () => {
  const client = await asserted();
  const sessions: TestSession[] = [];
  for (let count = 0; count < 5; count++) {
    const session = await client.session();
    client.link.transport.send(
      new Writer()
        .byte(MSG.CHANNEL_WINDOW_ADJUST)
        .uint32(count)
        .uint32(2 ** 31)
        .bytes(),
    );
    await session.request('exec', new Writer().string('exec cat /dev/zero').bytes());
    sessions.push(session);
  }
  client.link.pause();
  await sleep(2000);
  expect(sidecar.memory('VmHWM') - idle).toBeLessThan(BOUND);
  client.link.close();
}, 30_000);

test('data beyond the window ends the connection; up to it, it is held once', async () => {
  const client = await asserted();
  const session = await client.session();
  await session.request('exec', new Writer().string('sleep 100').bytes());
  const data = new Writer().byte(MSG.CHANNEL_DATA).uint32(0).string(Buffer.alloc(RECEIVE_MAX_PACKET)).bytes();
  await flood(client, 10_000, () => data);
  expect(await client.ended).toMatchObject({ message: expect.stringContaining('exceeds the window') });
  expect(sidecar.memory('VmHWM') - idle).toBeLessThan(BOUND);
}, 30_000);

test('a window of one-byte messages to a program that does not read', async () => {
  const client = await asserted();
  const session = await client.session();
  await session.request('exec', new Writer().string('sleep 100').bytes());
  const data = new Writer().byte(MSG.CHANNEL_DATA).uint32(0).string(Buffer.alloc(1)).bytes();
  expect(await flood(client, 600_000, () => data)).toBe(600_000);
  expect(sidecar.memory('VmHWM') - idle).toBeLessThan(BOUND);
  client.link.close();
}, 30_000);

test('after all that it still serves, and SIGTERM ends it at once', async () => {
  const client = await asserted();
  expect(await client.exec('echo alive')).toMatchObject({ stdout: 'alive\n' });
  const session = await client.session();
  await session.request('exec', new Writer().string('sleep 1000').bytes());
  const before = performance.now();
  expect(await sidecar.stop()).toBe(0);
  expect(performance.now() - before).toBeLessThan(3000);
  expect(await client.ended).toMatchObject({ code: 'disconnected' });
}, 30_000);
