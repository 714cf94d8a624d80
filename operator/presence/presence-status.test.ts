import { expect, test } from 'vitest';
import type { SshAccessStatus } from '../../crds/index.ts';
import { cachedAccess } from '../testing/samples.ts';
import { isSameAccess, isSameStatus, withPresence } from './presence-status.ts';

const NOW = Date.parse('2026-01-01T12:00:00Z');
const LOGIN = '2026-01-01T11:00:00Z';
const LATER = '2026-01-01T11:30:00Z';
const users = ['acme-web', 'acme-web-dev'].map((username) => ({ username, access: 'root' as const }));
const status: SshAccessStatus = { runtime: 'sidecar', users };

type Users = [username: string, seen: { sessions: number; lastLogin: string }][];
const seenBy = (of: Users = [], hostKeys: readonly string[] = []) => ({ users: new Map(of), hostKeys });

test('the host keys of the gateway stand beside its address; where nobody says them, those that were known stay', () => {
  const endpoint = { host: 'ssh.example.com', port: 2222 };
  const known = withPresence({ ...status, endpoint }, status, seenBy([], ['ssh-ed25519 AAAA']), NOW);
  expect(known.endpoint).toEqual({ ...endpoint, hostKeys: ['ssh-ed25519 AAAA'] });
  expect(withPresence({ ...status, endpoint }, known, seenBy(), NOW).endpoint).toEqual(known.endpoint);
  expect(isSameStatus({ ...status, endpoint }, known)).toBe(true);
  expect(withPresence(status, status, seenBy([], ['ssh-ed25519 AAAA']), NOW).endpoint).toBeUndefined();
});

test('nobody is there is said, too', () => {
  expect(withPresence(status, status, seenBy(), NOW)).toEqual({
    ...status,
    activeSessions: 0,
    users: users.map((user) => ({ ...user, activeSessions: 0 })),
  });
});

test('users of the SshAccess count, and nobody else whom a report names', () => {
  const seen = seenBy([
    ['acme-web', { sessions: 2, lastLogin: LOGIN }],
    ['acme-api', { sessions: 7, lastLogin: LATER }],
  ]);
  const first = withPresence(status, status, seen, NOW);
  expect(first).toMatchObject({ activeSessions: 2, lastLogin: LOGIN });
  expect(first.users?.map(({ username, activeSessions, lastLogin }) => [username, activeSessions, lastLogin])).toEqual([
    ['acme-web', 2, LOGIN],
    ['acme-web-dev', 0, undefined],
  ]);
});

test('a last login outlives the piper that knew it, and the user who has it no longer', () => {
  const stored = withPresence(status, status, seenBy([['acme-web', { sessions: 1, lastLogin: LATER }]]), NOW);
  const after = withPresence(status, stored, seenBy([['acme-web', { sessions: 0, lastLogin: LOGIN }]]), NOW);
  expect(after).toMatchObject({ activeSessions: 0, lastLogin: LATER, users: [{ lastLogin: LATER }, {}] });
  const less = withPresence({ ...status, users: users.slice(1) }, after, seenBy(), NOW);
  expect(less).toEqual({ ...status, activeSessions: 0, lastLogin: LATER, users: [{ ...users[1], activeSessions: 0 }] });
});

test('before the reports have been read, what is written stays', () => {
  expect(withPresence(status, status, undefined, NOW)).toEqual(status);
  const stored = withPresence(status, status, seenBy([['acme-web', { sessions: 3, lastLogin: LOGIN }]]), NOW);
  expect(withPresence(status, stored, undefined, NOW)).toEqual(stored);
  // A status that has not been made yet is not ours to begin.
  expect(withPresence({}, {}, seenBy(), NOW)).toEqual({});
});

test('who is there makes no other status and no other SshAccess; anything else does', () => {
  const seen = seenBy([['acme-web', { sessions: 2, lastLogin: LOGIN }]]);
  const somebody = withPresence(status, status, seen, NOW);
  expect(isSameStatus(status, somebody)).toBe(true);
  expect(isSameStatus(status, { ...somebody, runtime: 'main_container' })).toBe(false);
  expect(isSameStatus(status, { ...somebody, users: users.slice(1) })).toBe(false);
  const before = cachedAccess({}, status);
  const written = { ...cachedAccess({}, somebody), metadata: { ...before.metadata, resourceVersion: '8' } };
  expect(isSameAccess(before, written)).toBe(true);
  expect(isSameAccess(before, { ...written, metadata: { ...written.metadata, generation: 4 } })).toBe(false);
  expect(isSameAccess(before, cachedAccess({ enabled: false }, somebody))).toBe(false);
});
