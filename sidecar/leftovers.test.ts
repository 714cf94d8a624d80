/** What sessions leave behind ends with the access of their user, also when nobody is connected any more. */
import { beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import {
  END_LEFTOVERS,
  KEEP_LEFTOVERS,
  type LeftoversOrder,
  type Resident,
  type Roster,
} from '../crds/end-leftovers.ts';
import { MOST_KEYS_OF_ROUTE, MOST_USERS } from '../crds/secret-contract.ts';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { MSG } from '../lib/ssh/numbers.ts';
import { Writer } from '../lib/ssh/wire.ts';
import { readRoster } from './assertion.ts';
import { buildEnter } from './enter/testing/build-enter.ts';
import { Leftovers, type Owned } from './leftovers.ts';
import { MAX_LEFTOVERS_PER_USER } from './limits.ts';
import { bothRoles, type SidecarFixture, startSidecar } from './testing/sidecar-fixture.ts';
import { limitedAssertion, rootAssertion } from './testing/user-client.ts';

// A bound against hanging, not a measure.
vi.setConfig({ testTimeout: 120_000 });

let enterPath: string;
beforeAll(async () => {
  enterPath = await buildEnter();
}, 300_000);

let sidecar: SidecarFixture;
beforeEach(async () => {
  sidecar = await startSidecar({ enterPath, busyboxPath: '/bin/busybox' });
  onTestFinished(() => sidecar.close());
});

const LEAVE = `setsid sh -c 'trap "" HUP TERM; echo $$; exec sleep 1000 >/dev/null 2>&1 </dev/null' & sleep 0.2`;

/** A session that ends, and the connection with it; answers the daemon that it leaves. */
async function leave(assertion = rootAssertion): Promise<number> {
  const client = sidecar.connect();
  await client.authenticated;
  expect(await client.assert(assertion)).toBe(true);
  const { stdout, code } = await client.exec(LEAVE);
  await client.close();
  expect(code).toBe(0);
  const pid = Number(stdout);
  expect(isAlive(pid)).toBe(true);
  return pid;
}

const order = (endings: LeftoversOrder['endings'], agoMs = 0): Promise<void> =>
  say(END_LEFTOVERS, { version: 1, endings, agoMs });

/** As a piper that has started. */
const keep = (residents: readonly Resident[], agoMs = 0): Promise<void> =>
  say(KEEP_LEFTOVERS, { version: 1, residents: [...residents], agoMs });

async function say(request: string, what: LeftoversOrder | Roster): Promise<void> {
  const client = sidecar.connect();
  await client.authenticated;
  const text = new Writer().string(JSON.stringify(what)).bytes();
  expect(await client.connection.request(request, text)).toBe(true);
  await client.ended;
}

const residentOf = ({ username, role, uidOffset, fingerprint }: typeof rootAssertion): Resident => ({
  username,
  role,
  uidOffset,
  fingerprints: [fingerprint],
});

const gone = (pid: number) => vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 60_000, interval: 50 });

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('a daemon of a user who lost access ends, though nobody is connected; that of another user stays', async () => {
  const [theirs, others] = [await leave(), await leave(limitedAssertion)];
  await order([{ username: rootAssertion.username, fingerprints: null }]);
  await gone(theirs);
  expect(isAlive(others)).toBe(true);
  await order([{ username: limitedAssertion.username, fingerprints: null }]);
  await gone(others);
});

test('of a user who lost one key, what another key let in stays', async () => {
  const [lost, kept] = [await leave(), await leave({ ...rootAssertion, fingerprint: 'SHA256:other' })];
  await order([{ username: rootAssertion.username, fingerprints: [rootAssertion.fingerprint] }]);
  await gone(lost);
  expect(isAlive(kept)).toBe(true);
});

test('an order that is late spares what began after the loss', async () => {
  const pid = await leave();
  await order([{ username: rootAssertion.username, fingerprints: null }], 600_000);
  // What an order of now ends, the late one has not.
  expect(isAlive(pid)).toBe(true);
  await order([{ username: rootAssertion.username, fingerprints: null }]);
  await gone(pid);
});

test('of what was left before a piper was there to see who lost what, that stays whose users have access', async () => {
  const [theirs, others] = [await leave(), await leave(limitedAssertion)];
  await keep([residentOf(rootAssertion), residentOf(limitedAssertion)]);
  await keep([residentOf(limitedAssertion)], 600_000);
  await keep([residentOf(limitedAssertion)]);
  await gone(theirs);
  expect(isAlive(others)).toBe(true);
  await keep([]);
  await gone(others);
});

test.each<[string, Partial<Resident>]>([
  ['another role', { role: 'limited' }],
  ['another uid', { uidOffset: 9 }],
  ['other keys', { fingerprints: ['SHA256:other'] }],
])('a user who has %s by now has no part in it', (_what, changes) => {
  const leftovers = new Leftovers();
  const killed: string[] = [];
  const { username, role, uidOffset, fingerprint } = rootAssertion;
  const program = { isLeft: true, kill: () => void killed.push(username) };
  leftovers.add({ username, role, uidOffset, fingerprint, since: 0 }, program);
  const resident = residentOf(rootAssertion);
  expect(leftovers.keep([{ ...resident, fingerprints: null }], 1)).toBe(0);
  expect(leftovers.keep([resident], 1)).toBe(0);
  expect(leftovers.keep([{ ...resident, ...changes }], 1)).toBe(1);
  expect(killed).toEqual([username]);
});

test('the longest roster that there can be is read', () => {
  const fingerprint = `SHA256:${'x'.repeat(43)}`;
  const residents = Array.from({ length: MOST_USERS }, () => ({
    ...residentOf(rootAssertion),
    username: 'u'.repeat(191),
    fingerprints: Array.from({ length: MOST_KEYS_OF_ROUTE / MOST_USERS }, () => fingerprint),
  }));
  const text = JSON.stringify({ version: 1, residents, agoMs: 86_400_000, newer: { than: 'we' } });
  const request = new Writer(text.length + 64)
    .byte(MSG.GLOBAL_REQUEST)
    .string(KEEP_LEFTOVERS)
    .boolean(true)
    .string(text);
  expect(readRoster(request.bytes())?.residents).toEqual(residents);
});

test('when the Secret is withdrawn, everything left behind ends', async () => {
  const pids = [await leave(), await leave(limitedAssertion)];
  await sidecar.server.setAccess(undefined);
  await Promise.all(pids.map(gone));
});

test('when the mapping key is replaced without a hand-over, as one that was stolen is, everything left behind ends', async () => {
  const pids = [await leave(), await leave(limitedAssertion)];
  const mappingKeys = [PrivateKey.generateEd25519().publicKey];
  await sidecar.server.setAccess({ hostKey: sidecar.hostKey, mappingKeys, ceiling: bothRoles });
  await Promise.all(pids.map(gone));
});

test('when the sidecar ends, nothing stays behind', async () => {
  const pid = await leave();
  await sidecar.close();
  await gone(pid);
});

test('of too many sessions of one user that left something, the oldest lose it', () => {
  const leftovers = new Leftovers();
  const killed: number[] = [];
  const add = (username: string, index: number): Owned => {
    const program = { isLeft: true, kill: () => void killed.push(index) };
    leftovers.add({ username, role: 'root', uidOffset: 0, fingerprint: '', since: 0 }, program);
    leftovers.left(program);
    return program;
  };
  for (let index = 0; index < MAX_LEFTOVERS_PER_USER; index++) add('alice', index);
  add('bob', -1);
  expect(killed).toEqual([]);
  add('alice', MAX_LEFTOVERS_PER_USER);
  expect(killed).toEqual([0]);
});
