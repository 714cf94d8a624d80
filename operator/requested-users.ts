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
    expiresAt: user.expiresAt,
    isPrimary: user.suffix === undefined,
  }));
  return { users, isNative };
}

export function isExpired(user: Pick<RequestedUser, 'expiresAt'>, now: Date): boolean {
  return user.expiresAt !== undefined && Date.parse(user.expiresAt) <= now.getTime();
}
