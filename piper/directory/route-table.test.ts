import { expect, test, vi } from 'vitest';
import { DEFAULT_POLICIES, ROUTE_SECRET_KEYS, type Route } from '../../crds/index.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { heapInUse } from '../testing/heap.ts';
import { type FormerLogins, RouteTable, type RouteProblem } from './route-table.ts';

const key = PrivateKey.generateEd25519();
const mappingKey = PrivateKey.generateEd25519();
const line = key.publicKey.toLine();

function route(usernames: readonly string[], changes: Partial<Route> = {}): Route {
  const users = usernames.map((username) => ({
    username,
    role: 'limited' as const,
    authorizedKeys: [line],
    policy: DEFAULT_POLICIES.limited,
    uidOffset: 0,
  }));
  const names = { namespace: 'acme', name: 'hello', uid: 'u-1', service: 'hello-sshaccess' };
  return { version: 1, enabled: true, port: 2222, runtime: 'sidecar', hostKeys: [line], users, ...names, ...changes };
}

const dataOf = (value: unknown) => ({
  [ROUTE_SECRET_KEYS.route]: JSON.stringify(value),
  [ROUTE_SECRET_KEYS.mappingKey]: mappingKey.toOpenSsh(),
});

const namesIn = (former: FormerLogins) => new Set(former.keys());

function setUp() {
  const problems: RouteProblem[] = [];
  return { problems, table: new RouteTable((problem) => problems.push(problem)) };
}

test('a username is looked up with all that a login needs, and gone with its Secret', () => {
  const { table, problems } = setUp();
  expect(namesIn(table.set('a', dataOf(route(['acme-hello', 'acme-hello-dev']))))).toEqual(
    new Set(['acme-hello', 'acme-hello-dev']),
  );
  const login = table.lookup('acme-hello-dev');
  expect(login?.user.username).toBe('acme-hello-dev');
  expect(login?.keys.map((one) => one.key.fingerprint)).toEqual([key.publicKey.fingerprint]);
  expect(login?.expiresAt).toBe(Infinity);
  expect(namesIn(table.remove('a'))).toEqual(new Set(['acme-hello', 'acme-hello-dev']));
  expect([table.lookup('acme-hello'), table.size, problems]).toEqual([undefined, 0, []]);
});

test('the same Secret again changes nothing, so a resync asks nobody', () => {
  const { table } = setUp();
  const data = dataOf(route(['acme-hello']));
  table.set('a', data);
  expect(namesIn(table.set('a', { ...data }))).toEqual(new Set());
});

test('a change names those who left and those who came', () => {
  const { table } = setUp();
  table.set('a', dataOf(route(['acme-hello', 'acme-hello-old'])));
  expect(namesIn(table.set('a', dataOf(route(['acme-hello', 'acme-hello-new']))))).toEqual(
    new Set(['acme-hello', 'acme-hello-old', 'acme-hello-new']),
  );
  expect(table.lookup('acme-hello-old')).toBeUndefined();
});

test.each([
  ['no JSON', { [ROUTE_SECRET_KEYS.route]: '{', [ROUTE_SECRET_KEYS.mappingKey]: mappingKey.toOpenSsh() }],
  ['no route', { [ROUTE_SECRET_KEYS.mappingKey]: mappingKey.toOpenSsh() }],
  ['no mapping key', { [ROUTE_SECRET_KEYS.route]: JSON.stringify(route(['acme-hello'])) }],
  ['another version', dataOf({ ...route(['acme-hello']), version: 2 })],
  ['a bad host key', dataOf(route(['acme-hello'], { hostKeys: ['ssh-ed25519 AAAA'] }))],
  ['a username that is none', dataOf(route(['Acme\n']))],
  ['the same username twice', dataOf(route(['acme-hello', 'acme-hello']))],
])('A9: a Secret with %s grants nothing, and what it granted before is gone', (_what, data) => {
  const { table, problems } = setUp();
  table.set('a', dataOf(route(['acme-hello'])));
  expect(namesIn(table.set('a', data))).toEqual(new Set(['acme-hello']));
  expect([table.lookup('acme-hello'), table.size]).toEqual([undefined, 0]);
  expect(problems).toHaveLength(1);
  expect(JSON.stringify(problems)).not.toContain('PRIVATE KEY');
});

test('a field that only a newer operator knows takes nobody their access', () => {
  const { table, problems } = setUp();
  table.set('a', dataOf({ ...route(['acme-hello']), newer: { than: 'we' } }));
  expect(table.lookup('acme-hello')?.user.username).toBe('acme-hello');
  expect(problems).toEqual([]);
});

test('C3: a username that two routes claim is nobody, until one of them gives it up', () => {
  const { table, problems } = setUp();
  table.set('a', dataOf(route(['acme-hello', 'acme-hello-dev'])));
  expect(namesIn(table.set('b', dataOf(route(['acme-hello'], { uid: 'u-2' }))))).toEqual(new Set(['acme-hello']));
  expect(table.lookup('acme-hello')).toBeUndefined();
  expect(table.lookup('acme-hello-dev')).toBeDefined();
  expect(problems).toMatchObject([{ secret: 'b', username: 'acme-hello' }]);
  table.remove('a');
  expect(table.lookup('acme-hello')?.route.uid).toBe('u-2');
});

test('a key that is refused is reported and not let in; the others of the user are', () => {
  const { table, problems } = setUp();
  const users = route(['acme-hello']).users.map((user) => ({ ...user, authorizedKeys: [`tunnel="0" ${line}`, line] }));
  table.set('a', dataOf(route([], { users })));
  expect(table.lookup('acme-hello')?.keys).toHaveLength(1);
  expect(problems).toMatchObject([{ username: 'acme-hello' }]);
});

test('B5: of more keys than a route may have the rest lets nobody in', () => {
  const { table, problems } = setUp();
  const lines = Array.from({ length: 64 }, (_, index) => `permitopen="localhost:${index + 1}" ${line}`);
  const names = Array.from({ length: 20 }, (_, index) => `acme-hello-${index}`);
  const users = route(names).users.map((user) => ({ ...user, authorizedKeys: lines }));
  table.set('a', dataOf(route([], { users })));
  expect(names.map((name) => table.lookup(name)?.keys.length)).toEqual(names.map((_, index) => (index < 16 ? 64 : 0)));
  expect(problems).toMatchObject([{ secret: 'a', problem: expect.stringContaining('more than 1024 keys') }]);
});

test('an end that cannot be read has passed', () => {
  const { table } = setUp();
  const users = route(['acme-hello']).users.map((user) => ({ ...user, expiresAt: 'soon' }));
  table.set('a', dataOf(route([], { users })));
  expect(table.lookup('acme-hello')?.expiresAt).toBe(0);
});

const ROUTES = 2_000;
const USERS_OF_A_ROUTE = 5;
const BOUND_BYTES = 20 * 2 ** 20;

test(
  'ten thousand users: a look-up is one access, a change touches its route alone, and all take 20 MiB at most',
  { timeout: 60_000 },
  async () => {
    const { table } = setUp();
    const usernames = (index: number) =>
      Array.from({ length: USERS_OF_A_ROUTE }, (_, user) => `acme-${index}${user === 0 ? '' : `-u${user}`}`);
    const dataAt = (index: number, port = 2222) => dataOf(route(usernames(index), { uid: `u-${index}`, port }));
    table.set('s0', dataAt(0));
    const before = await heapInUse();
    for (let index = 1; index < ROUTES; index++) table.set(`s${index}`, dataAt(index));
    expect((await heapInUse()) - before).toBeLessThan(BOUND_BYTES);

    const looks = vi.spyOn(Map.prototype, 'get');
    expect([table.lookup('acme-1999-u4')?.user.username, table.lookup('nobody')]).toEqual(['acme-1999-u4', undefined]);
    expect(looks).toHaveBeenCalledTimes(2);
    looks.mockRestore();

    const all = Array.from({ length: ROUTES }, (_, index) => usernames(index)).flat();
    const logins = all.map((username) => table.lookup(username));
    expect(namesIn(table.set('s7', dataAt(7, 2022)))).toEqual(new Set(usernames(7)));
    const changed = all.filter((username, at) => table.lookup(username) !== logins[at]);
    expect(changed).toEqual(usernames(7));
  },
);
