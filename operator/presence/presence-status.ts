/** Pure: who is there, in a status. */
import { isDeepStrictEqual } from 'node:util';
import type { SshAccessStatus, UserStatus } from '../../crds/index.ts';
import type { CachedAccess } from '../cached-access.ts';
import { latestLogin, type Seen } from './reports.ts';

/**
 * `status` with who is there. Only its own users count, whatever a report says; a last login is kept when nobody
 * remembers it any more.
 * @param stored the status as it is written now
 * @param seen undefined: the reports have not been read yet; what is written stays
 */
export function withPresence(
  status: SshAccessStatus,
  stored: SshAccessStatus,
  seen: Seen | undefined,
  now: number,
): SshAccessStatus {
  if (status.users === undefined) return status;
  const known = new Map((stored.users ?? []).map((user) => [user.username, user]));
  const users = status.users.map((user): UserStatus => {
    const [before, found] = [known.get(user.username), seen?.users.get(user.username)];
    const activeSessions = seen === undefined ? before?.activeSessions : (found?.sessions ?? 0);
    return { ...user, ...presence(activeSessions, latestLogin([before?.lastLogin, found?.lastLogin], now)) };
  });
  const isKnown = users.some(({ activeSessions }) => activeSessions !== undefined);
  const sessions = isKnown ? users.reduce((sum, user) => sum + (user.activeSessions ?? 0), 0) : undefined;
  const lastLogin = latestLogin([stored.lastLogin, ...users.map((user) => user.lastLogin)], now);
  return { ...status, ...endpointOf(status, stored, seen), ...presence(sessions, lastLogin), users };
}

/** Where no piper says by which keys it is known, those that were known stay. */
function endpointOf({ endpoint }: SshAccessStatus, stored: SshAccessStatus, seen: Seen | undefined) {
  if (endpoint === undefined) return {};
  const { hostKeys: _, ...address } = endpoint;
  const said = seen?.hostKeys ?? [];
  const hostKeys = said.length > 0 ? [...said] : stored.endpoint?.hostKeys;
  return { endpoint: { ...address, ...(hostKeys !== undefined && { hostKeys }) } };
}

const presence = (activeSessions: number | undefined, lastLogin: string | undefined) => ({
  ...(activeSessions === undefined ? {} : { activeSessions }),
  ...(lastLogin === undefined ? {} : { lastLogin }),
});

/** Whether they say the same but for who is there. */
export const isSameStatus = (left: SshAccessStatus, right: SshAccessStatus): boolean =>
  isDeepStrictEqual(withoutPresence(left), withoutPresence(right));

/** Whether nothing has changed but who is there. */
export const isSameAccess = (left: CachedAccess, right: CachedAccess): boolean =>
  isDeepStrictEqual(withoutVersion(left), withoutVersion(right));

const withoutVersion = ({ metadata, access, status, ...rest }: CachedAccess): unknown => ({
  ...rest,
  metadata: { ...metadata, resourceVersion: '' },
  access: access && { ...access, metadata: { ...access.metadata, resourceVersion: '' } },
  status: withoutPresence(status),
});

/** Through JSON, where a key whose value is undefined is none. */
function withoutPresence(status: SshAccessStatus): unknown {
  const none = { activeSessions: undefined, lastLogin: undefined };
  const users = status.users?.map((user) => ({ ...user, ...none }));
  const endpoint = status.endpoint && { ...status.endpoint, hostKeys: undefined };
  return JSON.parse(JSON.stringify({ ...status, ...none, endpoint, users }));
}
