import { isOrganization, organizationOf, roleOf, slugOf, username, type Role, type SshAccess } from '../crds/index.ts';
import { uidOffsets } from './uid-offsets.ts';

/** One user of the spec, with the defaults filled in. */
export type RequestedUser = {
  readonly username: string;
  readonly role: Role;
  /** 0 for root. */
  readonly uidOffset: number;
  readonly secretName: string;
  readonly expiresAt: string | undefined;
  readonly isPrimary: boolean;
};

/**
 * Who an SshAccess asks for. A namespace's organization label may hold what no username can (capitals, dots): then
 * there is nobody, rather than somebody under a name that the administrator did not mean.
 */
export function requestedUsers(
  access: SshAccess,
  organizationLabel: string | undefined,
): { users: readonly RequestedUser[]; isNative: boolean; invalidOrganization?: string } {
  const organization = organizationOf(access, organizationLabel);
  // What only administrators write gives it, and not the spec alone.
  const isNative = organization === (organizationLabel ?? access.metadata.namespace);
  if (!isOrganization(organization)) return { users: [], isNative, invalidOrganization: organization };
  const named = access.spec.users.map((user) => ({
    user,
    role: roleOf(user),
    name: username(organization, slugOf(access), user.suffix),
  }));
  const offsets = uidOffsets(named.filter(({ role }) => role === 'limited').map(({ name }) => name));
  const users = named.map(({ user, role, name }) => ({
    username: name,
    role,
    uidOffset: offsets.get(name) ?? 0,
    secretName: user.secretRef.name,
    expiresAt: earliest(user.expiresAt, access.spec.expiresAt),
    isPrimary: user.suffix === undefined,
  }));
  return { users, isNative };
}

/** Of two ends, the first. */
function earliest(one: string | undefined, other: string | undefined): string | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Date.parse(one) <= Date.parse(other) ? one : other;
}

/** The primary user first, then as the spec has them: those beyond `most` are not served. */
export function served(users: readonly RequestedUser[], most: number): readonly RequestedUser[] {
  const [primary, others] = [users.filter(({ isPrimary }) => isPrimary), users.filter(({ isPrimary }) => !isPrimary)];
  return [...primary, ...others].slice(0, most);
}

export function isExpired({ expiresAt }: { expiresAt?: string | undefined }, now: Date): boolean {
  return expiresAt !== undefined && Date.parse(expiresAt) <= now.getTime();
}
