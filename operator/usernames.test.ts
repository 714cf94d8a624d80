import { expect, test } from 'vitest';
import { isExpired, requestedUsers, served } from './requested-users.ts';
import { access } from './testing/samples.ts';
import { UsernameClaims, type Claimant } from './username-claims.ts';

const claimant = (key: string, createdAt: string, usernames: string[], uid = key): Claimant => ({
  key,
  uid,
  createdAt,
  usernames,
  isNative: true,
});

test('C3: the oldest claim owns a username, then the smaller uid', () => {
  const claims = new UsernameClaims();
  claims.set('b/young', claimant('b/young', '2026-01-02T00:00:00Z', ['acme-web']));
  expect(claims.ownerOf('acme-web')?.key).toBe('b/young');
  claims.set('a/old', claimant('a/old', '2026-01-01T00:00:00Z', ['acme-web']));
  expect(claims.ownerOf('acme-web')?.key).toBe('a/old');
  claims.set('c/same', claimant('c/same', '2026-01-01T00:00:00Z', ['acme-web'], '0'));
  expect(claims.ownerOf('acme-web')?.key).toBe('c/same');
  expect(claims.ownerOf('Acme-web')).toBeUndefined();
});

test('a change names those, and only those, who claim the same names', () => {
  const claims = new UsernameClaims();
  claims.set('a/1', claimant('a/1', '1', ['x', 'y']));
  claims.set('a/2', claimant('a/2', '2', ['y', 'z']));
  claims.set('a/3', claimant('a/3', '3', ['z']));
  expect(claims.set('a/1', claimant('a/1', '1', ['x', 'y']))).toEqual([]);
  expect(claims.set('a/1', claimant('a/1', '1', ['x']))).toEqual(['a/2']);
  expect(claims.set('a/2', undefined)).toEqual(['a/3']);
  expect(claims.ownerOf('y')).toBeUndefined();
  expect(claims.ownerOf('z')?.key).toBe('a/3');
});

test('C3b: who has a username keeps it against an older SshAccess that asks for it later', () => {
  const claims = new UsernameClaims();
  claims.set('victim/web', claimant('victim/web', '2026-01-02T00:00:00Z', ['acme-web'], 'young'));
  claims.hold('young', ['acme-web']);
  expect(claims.set('thief/x', claimant('thief/x', '2026-01-01T00:00:00Z', ['acme-web'], 'old'))).toEqual([
    'victim/web',
  ]);
  expect(claims.ownerOf('acme-web')?.key).toBe('victim/web');
  // Let go: the next gets it, and both are told.
  expect(claims.hold('young', [])).toEqual(['victim/web', 'thief/x']);
  expect(claims.ownerOf('acme-web')?.key).toBe('thief/x');
  // What is held but not asked for any more is nobody's.
  claims.hold('old', ['acme-web']);
  claims.set('thief/x', undefined);
  expect(claims.ownerOf('acme-web')?.key).toBe('victim/web');
});

test('C3b: an organization that only the spec names loses to the namespace that has it, older and holding or not', () => {
  const claims = new UsernameClaims();
  const squatter = claimant('evil/x', '2026-01-01T00:00:00Z', ['acme-web'], 'old');
  claims.set('evil/x', { ...squatter, isNative: false });
  claims.hold('old', ['acme-web']);
  expect(claims.ownerOf('acme-web')?.key).toBe('evil/x');
  expect(claims.set('acme/web', claimant('acme/web', '2026-01-02T00:00:00Z', ['acme-web']))).toEqual(['evil/x']);
  expect(claims.ownerOf('acme-web')?.key).toBe('acme/web');
  // A label that an administrator puts on the namespace makes it an equal.
  expect(claims.set('evil/x', squatter)).toEqual(['acme/web']);
  expect(claims.ownerOf('acme-web')?.key).toBe('evil/x');
});

test.each([
  [{}, undefined, true],
  [{}, 'org', true],
  [{ organization: 'acme' }, undefined, true],
  [{ organization: 'org' }, 'org', true],
  [{ organization: 'acme' }, 'org', false],
  [{ organization: 'else' }, undefined, false],
])('a spec %j in the namespace acme with the label %s is of its own organization: %s', (spec, label, isNative) => {
  expect(requestedUsers(access(spec), label)).toMatchObject({ isNative });
});

test('C2: different splits of one joined name are one claim', () => {
  const joined = (spec: object) => requestedUsers(access(spec), undefined).users.map(({ username }) => username);
  expect(joined({ organization: 'a', slug: 'b-c' })).toEqual(joined({ organization: 'a-b', slug: 'c' }));
});

test('defaults: the namespace label before the namespace, the name for a slug, root for the primary', () => {
  const spec = { users: [{ secretRef: { name: 'k' } }, { suffix: 'dev', secretRef: { name: 'k' } }] };
  const { users } = requestedUsers(access(spec), 'org');
  expect(users.map(({ username, role, isPrimary }) => [username, role, isPrimary])).toEqual([
    ['org-web', 'root', true],
    ['org-web-dev', 'limited', false],
  ]);
  expect(requestedUsers(access(), undefined).users[0]?.username).toBe('acme-web');
});

test.each(['Acme', 'a.b', '-a', 'a_b', 'x'.repeat(64)])('a label %s that no username can hold is refused', (label) => {
  expect(requestedUsers(access(), label)).toEqual({ users: [], isNative: true, invalidOrganization: label });
});

test('a user is expired at the very second', () => {
  const user = { expiresAt: '2026-06-01T12:00:00+02:00' };
  expect(isExpired(user, new Date('2026-06-01T09:59:59Z'))).toBe(false);
  expect(isExpired(user, new Date('2026-06-01T10:00:00Z'))).toBe(true);
  expect(isExpired({ expiresAt: undefined }, new Date())).toBe(false);
});

test('of the end of a user and that of everybody, the first counts', () => {
  const [early, late] = ['2026-06-01T10:00:00+02:00', '2026-06-01T09:00:00Z'];
  const endOf = (spec: object, user: object) =>
    requestedUsers(access({ ...spec, users: [{ secretRef: { name: 'k' }, ...user }] }), undefined).users[0]?.expiresAt;
  expect(endOf({}, {})).toBeUndefined();
  expect(endOf({ expiresAt: late }, {})).toBe(late);
  expect(endOf({ expiresAt: late }, { expiresAt: early })).toBe(early);
  expect(endOf({ expiresAt: early }, { expiresAt: late })).toBe(early);
});

test('of too many users the primary and the first others are served', () => {
  const users = ['a', 'b', undefined, 'c'].map((suffix) => ({ ...(suffix && { suffix }), secretRef: { name: 'k' } }));
  const { users: requested } = requestedUsers(access({ users }), undefined);
  expect(served(requested, 2).map(({ username }) => username)).toEqual(['acme-web', 'acme-web-a']);
  expect(served(requested, 5)).toHaveLength(4);
});
