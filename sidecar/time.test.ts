/** How the sidecar ends connections by itself, on a clock that the test turns: idle, too long, or the client gone. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ENDING_SOON, NO_ACTIVITY } from '../crds/identity-assertion.ts';
import { DEFAULT_POLICIES, type SessionPolicy } from '../crds/session-policy.ts';
import { MSG } from '../lib/ssh/numbers.ts';
import { FakeClock } from '../lib/ssh/testing/fake-clock.ts';
import { Writer } from '../lib/ssh/wire.ts';
import { buildEnter } from './enter/testing/build-enter.ts';
import { bothRoles, type SidecarFixture, startSidecar } from './testing/sidecar-fixture.ts';
import { rootAssertion, type TestSession, type UserClient } from './testing/user-client.ts';

const clock = new FakeClock();
let sidecar: SidecarFixture;

beforeAll(async () => {
  // 0 is no limit, so it is the widest.
  const root = { ...DEFAULT_POLICIES.root, idleTimeoutSeconds: 0 };
  const ceiling = { ...bothRoles, roles: { root } };
  sidecar = await startSidecar({ enterPath: await buildEnter(), busyboxPath: '/bin/busybox' }, { clock, ceiling });
}, 120_000);
afterAll(() => sidecar.close());

const nothing = Buffer.alloc(0);
const text = (value: string) => new Writer().string(value).bytes();

async function login(change: Partial<SessionPolicy>): Promise<UserClient> {
  const client = sidecar.connect();
  await client.authenticated;
  const policy = { ...DEFAULT_POLICIES.root, idleTimeoutSeconds: 0, ...change };
  expect(await client.assert({ ...rootAssertion, policy })).toBe(true);
  return client;
}

async function run(client: UserClient, command: string, terminal: boolean): Promise<TestSession> {
  const session = await client.session();
  if (terminal) await session.pty(80, 24);
  expect(await session.request('exec', text(command))).toBe(true);
  return session;
}

/** What has been sent before is on the other side when this has been answered. */
const roundTrip = (client: UserClient) => client.connection.request('ping@test', nothing);

/** Time passes, and the client says that it is there each half minute, as far as it gets. */
async function pass(client: UserClient, seconds: number): Promise<void> {
  for (let left = seconds; left > 0; left -= 30) {
    clock.pass(Math.min(left, 30) * 1000);
    await Promise.race([roundTrip(client), client.ended]);
  }
}

test('idle: terminals are told a minute before, requests keep nobody, and then the connection ends', async () => {
  const client = await login({ idleTimeoutSeconds: 600 });
  const shell = await run(client, 'echo ready; cat', true);
  const quiet = await run(client, 'echo ready; cat', false);
  await Promise.all([shell.until('ready'), quiet.until('ready')]);
  await pass(client, 530);
  expect(shell.result.stdout).not.toContain('idle');
  await pass(client, 20);
  await shell.until(
    '\r\nsshaccess: nothing happens on this connection, and it ends in 60 s: type something to stay.\r\n',
  );
  expect(shell.requests).toEqual([NO_ACTIVITY]);
  expect([quiet.result.stdout, quiet.result.stderr.includes('type something')]).toEqual(['ready\n', false]);
  // The piper's turn is over at 600 s; ours comes 15 s later.
  await pass(client, 60);
  await roundTrip(client);
  await pass(client, 20);
  expect(await client.ended).toMatchObject({
    code: 'disconnected',
    message: expect.stringContaining('idle for 10 min'),
  });
}, 20_000);

test('the piper says that it will end the connection: terminals are told, and that keeps nobody', async () => {
  const client = await login({});
  const shell = await run(client, 'echo ready; cat', true);
  const quiet = await run(client, 'echo ready; cat', false);
  await Promise.all([shell.until('ready'), quiet.until('ready')]);
  client.link.transport.send(
    new Writer().byte(MSG.GLOBAL_REQUEST).string(ENDING_SOON).boolean(false).uint32(60).bytes(),
  );
  await shell.until(
    '\r\nsshaccess: this gateway has to shut down, and ends the connection in 60 s: save your work, and connect again.\r\n',
  );
  expect(shell.requests).toEqual([NO_ACTIVITY]);
  expect(quiet.result.stdout).toBe('ready\n');
  await client.close();
}, 20_000);

test('idle: what the user types, and what a program says on any channel, restarts the time', async () => {
  const client = await login({ idleTimeoutSeconds: 600 });
  const shell = await run(client, 'stty -echo; echo ready; while read line; do :; done', true);
  const talking = await run(client, 'while read line; do echo "$line"; done', false);
  await shell.until('ready');
  await pass(client, 560);
  await shell.until('type something');
  shell.open.write(Buffer.from('x\n'));
  await roundTrip(client);
  await pass(client, 530);
  talking.open.write(Buffer.from('back\n'));
  await talking.until('back');
  await pass(client, 530);
  expect(shell.result.stdout.split('type something').length).toBe(2);
  expect(await roundTrip(client)).toBe(false);
  await client.close();
}, 20_000);

test('the longest time ends a connection that is busy', async () => {
  const client = await login({ maxDurationSeconds: 600 });
  const shell = await run(client, 'echo ready; cat', true);
  await shell.until('ready');
  for (let count = 0; count < 11; count++) {
    shell.open.write(Buffer.from('busy\n'));
    await pass(client, 50);
  }
  await shell.until('this connection ends in 60 s');
  await pass(client, 70);
  expect(await client.ended).toMatchObject({ message: expect.stringContaining('no connection may last longer') });
}, 20_000);

test('a client that is silent is asked each minute whether it is there; any answer counts', async () => {
  const client = await login({});
  const asked: boolean[] = [];
  const receive = client.onPayload;
  client.onPayload = (payload) => {
    if (payload[0] === MSG.GLOBAL_REQUEST) asked.push(payload.includes('keepalive@openssh.com'));
    receive(payload);
  };
  for (let minute = 1; minute <= 10; minute++) {
    clock.pass(60_000);
    await vi.waitFor(() => expect(asked).toEqual(Array.from({ length: minute }, () => true)));
    // Its refusal is on its way: what is answered now comes after it.
    await roundTrip(client);
  }
  await client.close();
});

test('a client that answers no more is gone after four minutes', async () => {
  const client = await login({});
  client.onPayload = () => undefined;
  clock.pass(240_000);
  expect(await client.ended).toMatchObject({ message: expect.stringContaining('the client is gone') });
});
