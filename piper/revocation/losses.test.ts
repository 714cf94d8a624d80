import { expect, test } from 'vitest';
import { DEFAULT_POLICIES, type Route, type RouteUser } from '../../crds/index.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { RouteTable } from '../directory/route-table.ts';
import { lossOf } from './losses.ts';

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
