import { ROLES, type Role } from './session-policy.ts';
import type { SshAccess, SshUser } from './ssh-access.ts';

/** All of an SshAccess that its usernames are made of. */
type Naming = Pick<SshAccess, 'metadata'> & {
  spec: Pick<SshAccess['spec'], 'organization' | 'slug'> & { users: readonly Pick<SshUser, 'suffix'>[] };
};

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** A namespace's label may hold what no username can: capitals, dots. Then there is nobody, rather than somebody else. */
export const isOrganization = (organization: string): boolean => DNS_LABEL.test(organization);

/** `<organization>-<slug>` for the primary user, `<organization>-<slug>-<suffix>` for the others. */
export function username(organization: string, slug: string, suffix?: string): string {
  return [organization, slug, ...(suffix === undefined ? [] : [suffix])].join('-');
}

/**
 * The organization of an SshAccess: its spec, else the namespace's label, else the namespace's name.
 * The caller looks the label up ({@link LABEL_ORGANIZATION}) and passes its value.
 */
export function organizationOf(access: Naming, namespaceLabel: string | undefined): string {
  return access.spec.organization ?? namespaceLabel ?? access.metadata.namespace;
}

/** The slug of an SshAccess: its spec, else its name. */
export function slugOf(access: Naming): string {
  return access.spec.slug ?? access.metadata.name;
}

/** Everybody's username, the primary user's first; nobody's where the organization can begin none. */
export function usernamesOf(access: Naming, namespaceLabel: string | undefined): readonly string[] {
  const organization = organizationOf(access, namespaceLabel);
  if (!isOrganization(organization)) return [];
  const isPrimary = ({ suffix }: Pick<SshUser, 'suffix'>): boolean => suffix === undefined;
  const { users } = access.spec;
  return [...users.filter(isPrimary), ...users.filter((user) => !isPrimary(user))].map(({ suffix }) =>
    username(organization, slugOf(access), suffix),
  );
}

/** The role of a user: what the spec says, else root for the primary user and limited for the others. */
export function roleOf(user: SshUser): Role {
  return user.access ?? (user.suffix === undefined ? ROLES[0] : ROLES[1]);
}
