/** A10: who fails again and again is not served for a while, and nobody else notices. */
import { connect } from 'node:net';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { Networks } from '../arrival/networks.ts';
import { keys, startRig, type Rig } from '../testing/rig.ts';
import { serveAdmin } from './admin.ts';

const from = (address: string) => ({ preface: `PROXY TCP4 ${address} 203.0.113.7 55608 2222\r\n` });
const [GUESSER, NEIGHBOUR] = ['192.0.2.1', '192.0.2.2'];

async function rigOf(limits: { failuresPerSource?: number; failuresPerSourceAndUser?: number }) {
  const clock = { time: 1_800_000_000_000 };
  const trustedProxies = new Networks('127.0.0.1');
  const rig = await startRig({ limits: { ...limits, trustedProxies, maxTries: 100 }, now: () => clock.time });
  return { rig, clock };
}

/** Signs so often with a key that is not the user's; resolves with the last answer. */
async function fail(rig: Rig, times: number, username: string, address: string): Promise<Buffer> {
  const client = rig.client(from(address));
  await client.ready;
  client.requestAuthentication();
  let answer = await client.received.take();
  for (let time = 0; time < times; time++) {
    client.authenticate(username, keys.stranger);
    answer = await client.received.take();
  }
  client.close();
  return answer;
}

/** Whether alice gets in as acme-hello. */
const getsIn = async (rig: Rig, address: string): Promise<boolean> => {
  const client = rig.client(from(address));
  const login = client.login('acme-hello', keys.alice);
  return Promise.race([login.then(() => true), client.closed.promise.then(() => false)]).catch(() => false);
};

test('A10: after too many failures under a username, its right key gets what a wrong one gets; others go on', async () => {
  const { rig, clock } = await rigOf({ failuresPerSourceAndUser: 6 });
  const wrong = await fail(rig, 5, 'acme-hello', GUESSER);
  expect(await getsIn(rig, GUESSER)).toBe(true);
  // The login has cleared the count.
  await fail(rig, 5, 'acme-hello', GUESSER);
  expect(await getsIn(rig, GUESSER)).toBe(true);
  await fail(rig, 6, 'acme-hello', GUESSER);
  const client = rig.client(from(GUESSER));
  await client.ready;
  client.requestAuthentication();
  await client.received.take();
  client.query('acme-hello', keys.alice);
  expect(await client.received.take()).toEqual(wrong);
  client.authenticate('acme-hello', keys.alice);
  expect(await client.received.take()).toEqual(wrong);
  expect(await getsIn(rig, NEIGHBOUR)).toBe(true);
  await rig.login('acme-hello-dev', keys.bob, from(GUESSER));
  clock.time += 900_001;
  expect(await getsIn(rig, GUESSER)).toBe(true);
});

test('A10: a laptop that asks about sixty keys is not banned', async () => {
  const { rig } = await rigOf({ failuresPerSource: 2, failuresPerSourceAndUser: 2 });
  const client = rig.client(from(GUESSER));
  await client.ready;
  client.requestAuthentication();
  await client.received.take();
  for (let key = 0; key < 60; key++) {
    client.query('acme-hello', keys.stranger);
    await client.received.take();
  }
  expect(await getsIn(rig, GUESSER)).toBe(true);
  expect(rig.piper.failures.bans()).toEqual([]);
});

test('A10: an address that guesses usernames is not served at all, and whoever is logged in stays', async () => {
  const { rig } = await rigOf({ failuresPerSource: 5 });
  const before = await rig.login('acme-hello', keys.alice, from(GUESSER));
  for (let user = 0; user < 5; user++) await fail(rig, 1, `acme-guess-${user}`, GUESSER);
  const socket = connect({ port: rig.port, host: '127.0.0.1' });
  let heard = 0;
  socket.on('data', (data) => (heard += data.length)).on('error', () => undefined);
  socket.write(from(GUESSER).preface);
  await once(socket, 'close');
  expect(heard).toBe(0);
  expect(before.link.transport.closed).toBe(false);
  expect(await getsIn(rig, NEIGHBOUR)).toBe(true);
});

test('bans are in the log, in a metric, and on the admin port, where they can be lifted', async () => {
  const { rig } = await rigOf({ failuresPerSourceAndUser: 3 });
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const admin = `http://127.0.0.1:${await serveAdmin(0, rig.piper, stop.signal)}/bans`;
  expect(await (await fetch(admin)).json()).toEqual([]);
  await fail(rig, 3, 'acme-hello', GUESSER);
  const bans: unknown = await (await fetch(admin)).json();
  expect(bans).toEqual([
    {
      id: '1',
      source: GUESSER,
      username: 'acme-hello',
      failures: 3,
      since: '2027-01-15T08:00:00.000Z',
      until: '2027-01-15T08:15:00.000Z',
    },
  ]);
  expect(rig.lines.find(({ level }) => level === 'warn')).toMatchObject({
    msg: '192.0.2.1 is banned from logins as "acme-hello" until 2027-01-15T08:15:00.000Z, after 3 that failed',
  });
  const metrics = await rig.piper.metrics.registry.metrics();
  expect(metrics).toContain('sshaccess_piper_bans_active{program="piper"} 1\n');
  expect(metrics).toContain('sshaccess_piper_bans_total{scope="username",program="piper"} 1\n');
  expect(await getsIn(rig, GUESSER)).toBe(false);
  expect((await fetch(`${admin}/7`, { method: 'DELETE' })).status).toBe(404);
  expect((await fetch(`${admin}/1`, { method: 'DELETE' })).status).toBe(204);
  expect(await getsIn(rig, GUESSER)).toBe(true);
});
