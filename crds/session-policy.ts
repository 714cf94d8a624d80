import * as z from 'zod';

/** What a role may do (design: root and limited). The words of `status` and of every record. */
export const ROLES = ['root', 'limited'] as const;
export const Role = z.enum(ROLES);
export type Role = z.infer<typeof Role>;

/** Where `direct-tcpip` (ssh -L, -D, -W) may lead: nowhere, or to the pod's own loopback. */
export const LocalForwarding = z.enum(['none', 'loopback']);

/**
 * One policy object, written by the operator into the route, asserted by the piper on each connection, bounded by the
 * ceiling in the pod's Secret, and enforced at both ends. What it does not name is refused.
 */
export const SessionPolicy = z.strictObject({
  /** Session channels open at once on one connection. */
  maxSessions: z.int().min(1).max(64),
  localForwarding: LocalForwarding,
  /** Names of environment variables that a client may set; a trailing `*` matches any rest. */
  clientEnvironment: z.array(z.string().regex(/^[A-Z_][A-Z0-9_]*\*?$/)).max(64),
});
export type SessionPolicy = z.infer<typeof SessionPolicy>;

const LOCALE = ['LANG', 'LC_*', 'TERM'];

/** The defaults of each role; an SshAccess may only change what its schema offers. */
export const DEFAULT_POLICIES: Readonly<Record<Role, SessionPolicy>> = {
  root: { maxSessions: 10, localForwarding: 'loopback', clientEnvironment: [...LOCALE, 'GIT_*'] },
  limited: { maxSessions: 2, localForwarding: 'none', clientEnvironment: LOCALE },
};

/** True where `policy` asks for nothing that `ceiling` does not allow. */
export function isWithin(policy: SessionPolicy, ceiling: SessionPolicy): boolean {
  return (
    policy.maxSessions <= ceiling.maxSessions &&
    (policy.localForwarding === 'none' || ceiling.localForwarding === policy.localForwarding) &&
    policy.clientEnvironment.every((name) => ceiling.clientEnvironment.includes(name))
  );
}

/** True where a client may set the environment variable `name` (RFC 4254 section 6.4). */
export function acceptsEnvironment(policy: SessionPolicy, name: string): boolean {
  return policy.clientEnvironment.some((pattern) =>
    pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
  );
}
