import { ROLES, type Role } from './session-policy.ts';
import type { SshAccess, SshUser } from './ssh-access.ts';

/** `<organization>-<slug>` for the primary user, `<organization>-<slug>-<suffix>` for the others. */
export function username(organization: string, slug: string, suffix?: string): string {
  return [organization, slug, ...(suffix === undefined ? [] : [suffix])].join('-');
}

/**
 * The organization of an SshAccess: its spec, else the namespace's label, else the namespace's name.
 * The caller looks the label up ({@link LABEL_ORGANIZATION}) and passes its value.
 */
export function organizationOf(access: SshAccess, namespaceLabel: string | undefined): string {
  return access.spec.organization ?? namespaceLabel ?? access.metadata.namespace;
}

/** The slug of an SshAccess: its spec, else its name. */
export function slugOf(access: SshAccess): string {
  return access.spec.slug ?? access.metadata.name;
}

/** The role of a user: what the spec says, else root for the primary user and limited for the others. */
export function roleOf(user: SshUser): Role {
  return user.access ?? (user.suffix === undefined ? ROLES[0] : ROLES[1]);
}
