import { expect, test, vi } from 'vitest';
import { DEFAULT_POLICIES, type Route, type RouteUser } from '../../crds/index.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { PublicKey } from '../../lib/ssh/keys/public-key.ts';
import { RouteTable } from '../directory/route-table.ts';
import { expiryOf, lossOf, nextExpiry } from './losses.ts';

const [mapping, one, two] = [1, 2, 3].map(() => PrivateKey.generateEd25519());
const lines = [one, two].map((key) => key?.publicKey.toLine() ?? '');
const [lineOne = '', lineTwo = ''] = lines;
const now = Date.parse('2030-01-01T00:00:00Z');

const alice: RouteUser = {
  username: 'acme-hello',
  role: 'limited',
  authorizedKeys: lines,
  policy: DEFAULT_POLICIES.limited,
  uidOffset: 1,
};

/** What a username stands for in a route with these users. */
function login(user: RouteUser = alice, changes: Partial<Route> = {}) {
  const table = new RouteTable((problem) => expect.fail(JSON.stringify(problem)));
  const names = { namespace: 'acme', name: 'hello', uid: 'u-1', service: 'hello-sshaccess' };
  const route = {
    version: 1,
    enabled: true,
    port: 22,
    runtime: 'sidecar',
    hostKeys: [],
    users: [user],
    ...names,
    ...changes,
  };
  table.set('a', { 'route.json': JSON.stringify(route), 'mapping-key': mapping?.toOpenSsh() ?? '' });
  const found = table.lookup('acme-hello');
  if (found === undefined) throw new Error('no login');
  return found;
}

const before = login();
const everything = { username: 'acme-hello', fingerprints: null };

test.each([
  ['is gone', undefined],
  ['belongs to another SshAccess', login(alice, { uid: 'u-2' })],
  ['is switched off', login(alice, { enabled: false })],
  ['has another role', login({ ...alice, role: 'root' })],
  ['has another uid', login({ ...alice, uidOffset: 2 })],
  ['has expired', login({ ...alice, expiresAt: '2029-12-31T00:00:00Z' })],
  ['was kicked', login(alice, { kicks: [{ username: 'acme-hello', before: '2029-12-31T00:00:00Z' }] })],
  ['has a narrower policy', login({ ...alice, policy: { ...alice.policy, maxSessions: 1 } })],
])('a user who %s has lost everything', (_what, after) => {
  expect(lossOf(before, after, now)).toEqual(everything);
});

test.each([
  ['is the same', login()],
  [
    'has one key more',
    login({ ...alice, authorizedKeys: [...lines, PrivateKey.generateEd25519().publicKey.toLine()] }),
  ],
  [
    'has the keys in another order, with other comments',
    login({ ...alice, authorizedKeys: [lineTwo, `${lineOne} x`] }),
  ],
  ['has a wider policy', login({ ...alice, policy: { ...alice.policy, maxSessions: 9 } })],
  ['has an end that is to come', login({ ...alice, expiresAt: '2030-01-02T00:00:00Z' })],
  ['is reached by other host keys', login(alice, { hostKeys: [lineOne] })],
])('a user who %s has lost nothing', (_what, after) => {
  expect(lossOf(before, after, now)).toBeUndefined();
});

test('a user who has lost a key has lost what it let in', () => {
  const fingerprints = [one?.publicKey.fingerprint];
  expect(lossOf(before, login({ ...alice, authorizedKeys: [lineTwo] }), now)).toEqual({ ...everything, fingerprints });
  const restricted = { ...alice, authorizedKeys: [`no-pty ${lineOne}`, lineTwo] };
  expect(lossOf(before, login(restricted), now)).toEqual({ ...everything, fingerprints });
});

test('a user who has lost an authority has lost everything: whose certificates were its own is not known', () => {
  const certified = login({ ...alice, authorizedKeys: [`cert-authority ${lineOne}`, lineTwo] });
  expect(lossOf(certified, login({ ...alice, authorizedKeys: [lineTwo] }), now)).toEqual(everything);
});

test('a key with a list of addresses is the same key when its Secret is read again', () => {
  const restricted = { ...alice, authorizedKeys: [`from="192.0.2.0/24" ${lineOne}`] };
  expect(lossOf(login(restricted), login(restricted, { banner: 'hello' }), now)).toBeUndefined();
  const wider = { ...alice, authorizedKeys: [`from="192.0.0.0/16" ${lineOne}`] };
  expect(lossOf(login(restricted), login(wider), now)).toEqual({
    ...everything,
    fingerprints: [one?.publicKey.fingerprint],
  });
});

test('B5: each key is looked at once, however many there are and however often one of them stands there', () => {
  const options = Array.from({ length: 64 }, (_, index) => `permitopen="localhost:${index + 1}" ${lineOne}`);
  const [many, others] = [options, options.map((line) => `no-pty,${line}`)].map((authorizedKeys) =>
    login({ ...alice, authorizedKeys }),
  );
  if (many === undefined) throw new Error('no login');
  const looks = vi.spyOn(PublicKey.prototype, 'blob', 'get');
  expect(lossOf(many, others, now)).toEqual({ ...everything, fingerprints: [one?.publicKey.fingerprint] });
  expect(looks.mock.calls.length).toBeLessThan(4 * 64);
  looks.mockRestore();
});

test('time takes one key after the other, and then everything', () => {
  const [first, second] = ['20300101000100Z', '20300101000200Z'];
  const authorizedKeys = [`expiry-time="${first}" ${lineOne}`, `expiry-time="${second}" ${lineTwo}`];
  const user = login({ ...alice, authorizedKeys, expiresAt: '2030-01-01T00:03:00Z' });
  const at = (minutes: number): number => now + minutes * 60_000;
  expect([0, 1, 2, 3].map((minutes) => nextExpiry(user, at(minutes)))).toEqual([at(1), at(2), at(3), Infinity]);
  expect(expiryOf(user, at(0), at(0.9))).toBeUndefined();
  expect(expiryOf(user, at(0), at(1))).toEqual({ ...everything, fingerprints: [one?.publicKey.fingerprint] });
  expect(expiryOf(user, at(1), at(2))).toEqual({ ...everything, fingerprints: [two?.publicKey.fingerprint] });
  expect(expiryOf(user, at(2), at(3))).toEqual(everything);
  expect(expiryOf(user, at(3), at(9))).toBeUndefined();
});
