/** What may happen to a running program over its channel, with the real helper: RFC 4254 §6.9, RFC 4335, and its end. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { END_ACCESS } from '../crds/identity-assertion.ts';
import { MSG } from '../lib/ssh/numbers.ts';
import { Writer } from '../lib/ssh/wire.ts';
import { buildEnter } from './enter/testing/build-enter.ts';
import { type SidecarFixture, startSidecar } from './testing/sidecar-fixture.ts';
import { rootAssertion, type TestSession, type UserClient } from './testing/user-client.ts';

let sidecar: SidecarFixture;

beforeAll(async () => {
  sidecar = await startSidecar({ enterPath: await buildEnter(), busyboxPath: '/bin/busybox' });
}, 120_000);
afterAll(() => sidecar.close());

const text = (value: string) => new Writer().string(value).bytes();

async function login(): Promise<UserClient> {
  const client = sidecar.connect();
  await client.authenticated;
  expect(await client.assert(rootAssertion)).toBe(true);
  return client;
}

async function start(client: UserClient, command: string, terminal = false): Promise<TestSession> {
  const session = await client.session();
  if (terminal) await session.pty(80, 24);
  expect(await session.request('exec', text(command))).toBe(true);
  return session;
}

const signals = 'ABRT ALRM FPE HUP ILL INT KILL PIPE QUIT SEGV TERM USR1 USR2'.split(' ');

test('each signal of RFC 4254 ends a program that does not heed it, and comes back as exit-signal', async () => {
  const client = await login();
  for (const signal of signals) {
    const session = await start(client, 'echo ready; exec sleep 100');
    await session.until('ready');
    expect(await session.request('signal', text(signal))).toBe(true);
    expect(await session.done).toMatchObject({ signal, code: undefined });
  }
  await client.close();
}, 30_000);

test('each signal that can be caught reaches a program that catches it', async () => {
  const client = await login();
  const caught = signals.filter((signal) => signal !== 'KILL');
  const traps = caught.map((signal) => `trap 'echo got ${signal}.' ${signal}`).join('; ');
  const session = await start(client, `${traps}; echo ready; while :; do sleep 0.02; done`);
  await session.until('ready');
  for (const signal of caught) {
    expect(await session.request('signal', text(signal))).toBe(true);
    await session.until(`got ${signal}.`);
  }
  await session.request('signal', text('KILL'));
  expect(await session.done).toMatchObject({ signal: 'KILL' });
  await client.close();
}, 30_000);

test('a break interrupts what runs on a terminal that is told to be; it is no request for what does not run', async () => {
  const client = await login();
  const early = await client.session();
  expect(await early.request('break', new Writer().uint32(500).bytes())).toBe(false);
  const session = await start(
    client,
    "stty brkint -ignbrk; trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.02; done",
    true,
  );
  await session.until('ready');
  expect(await session.request('break', new Writer().uint32(500).bytes())).toBe(true);
  expect(await session.done).toMatchObject({ code: 9, stdout: expect.stringContaining('interrupted') });
  await client.close();
});

test('either side may end what it sends and still hear the other', async () => {
  const client = await login();
  const counts = await start(client, 'wc -c; echo and more; sleep 0.1; echo later');
  counts.open.write(Buffer.alloc(100_000));
  counts.open.eof();
  expect(await counts.done).toMatchObject({ code: 0, stdout: '100000\nand more\nlater\n' });
  const closes = await start(client, 'echo all; exec >&- 2>&-; read line; exit "$line"');
  await closes.until('all');
  closes.open.write(Buffer.from('7\n'));
  expect(await closes.done).toMatchObject({ code: 7 });
  await client.close();
});

test('a program without input from the start: ssh -n', async () => {
  const client = await login();
  const session = await client.session();
  session.open.eof();
  expect(await session.request('exec', text('cat; echo $?'))).toBe(true);
  expect(await session.done).toMatchObject({ code: 0, stdout: '0\n' });
  await client.close();
});

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const DAEMON = 'trap "" HUP TERM; setsid sh -c "trap \\"\\" HUP; echo \\$\\$; exec sleep 1000" & wait; sleep 1000';

test('E1: access that has ended takes daemons with it, whether a request or the farewell says so', async () => {
  const endings: ((client: UserClient) => void)[] = [
    ({ link }) => {
      link.transport.send(
        new Writer().byte(MSG.GLOBAL_REQUEST).string(END_ACCESS).boolean(false).string('revoked').bytes(),
      );
      link.transport.disconnect(11, 'revoked');
    },
    ({ link }) => link.transport.disconnect(11, 'expired'),
  ];
  for (const end of endings) {
    const client = await login();
    const session = await start(client, DAEMON);
    await session.until('\n');
    const pid = Number(session.result.stdout);
    expect(isAlive(pid)).toBe(true);
    end(client);
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 10_000, interval: 50 });
  }
}, 40_000);

test('a connection that merely ends leaves what has left its session', async () => {
  const client = await login();
  const session = await start(client, DAEMON);
  await session.until('\n');
  const pid = Number(session.result.stdout);
  await client.close();
  const other = await login();
  // The program itself is killed within some seconds; by then the daemon would be, too.
  await vi.waitFor(async () => expect((await other.exec(`cat /proc/${pid}/comm`)).stdout).toBe('sleep\n'), {
    timeout: 20_000,
  });
  expect(isAlive(pid)).toBe(true);
  process.kill(pid, 'SIGKILL');
  await other.close();
}, 40_000);
