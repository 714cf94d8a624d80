import * as z from 'zod';
import {
  Ceiling,
  DEFAULT_POLICIES,
  narrow,
  ROLES,
  roleOf,
  type Role,
  SessionPolicy,
  type SshAccessSpec,
} from '../crds/index.ts';

/**
 * What a list of commands leaves of the other ways in, unless the spec asks for them: with sftp one could write over a
 * listed program, and by forwarding reach what the app trusts its own pod with.
 */
const NOTHING_ELSE = { sftp: { access: 'none', paths: null }, localForwarding: 'none' } as const;

/** The policy of a role: the default, with what the spec offers to change. */
export function policyOf(role: Role, spec: SshAccessSpec): SessionPolicy {
  const { sftp, ...changes } = spec.policy?.[role] ?? {};
  const base = { ...DEFAULT_POLICIES[role], ...(changes.commands === undefined ? {} : NOTHING_ELSE) };
  // Who asks for sftp by its directories alone gets the access of the role.
  const access = sftp === undefined ? base.sftp : DEFAULT_POLICIES[role].sftp;
  return SessionPolicy.parse({ ...base, ...changes, sftp: { ...access, ...sftp } });
}

/**
 * The most that a piper may assert to the pods. `limited` is always in it, so that adding such a user waits for no
 * kubelet; `root` only where the spec has a root user, so that a piper that was broken into gets no more than that.
 */
export function ceilingOf(spec: SshAccessSpec): Ceiling {
  const hasRoot = spec.users.some((user) => roleOf(user) === 'root');
  const roles = ROLES.filter((role) => role === 'limited' || hasRoot);
  return {
    version: 1,
    roles: Object.fromEntries(roles.map((role) => [role, policyOf(role, spec)])),
    auditLogging: spec.audit.logging,
  };
}

/**
 * Kept on the pod's Secret when its ceiling changes: until kubelets have caught up, pods may still refuse what only the
 * new ceiling allows, so routes assert no more than both allow.
 */
export const PreviousCeiling = z.object({ until: z.iso.datetime(), ceiling: Ceiling });
export type PreviousCeiling = z.infer<typeof PreviousCeiling>;

/** What to keep when `before` gives way to `after`; undefined: nothing (more) to wait for. */
export function previousCeiling(
  before: Ceiling | undefined,
  after: Ceiling,
  kept: PreviousCeiling | undefined,
  { now, secretDelayMs }: { now: Date; secretDelayMs: number },
): PreviousCeiling | undefined {
  const pending = kept !== undefined && Date.parse(kept.until) > now.getTime() ? kept : undefined;
  if (before === undefined || JSON.stringify(before) === JSON.stringify(after)) return pending;
  const ceiling = pending === undefined ? before : narrowCeiling(before, pending.ceiling);
  return { until: new Date(now.getTime() + secretDelayMs).toISOString(), ceiling };
}

/** `policy`, with no more than `previous` allows for the role. */
export function heldPolicy(role: Role, policy: SessionPolicy, previous: PreviousCeiling | undefined): SessionPolicy {
  const bound = previous?.ceiling.roles[role];
  return bound === undefined ? policy : narrow(policy, bound);
}

function narrowCeiling(left: Ceiling, right: Ceiling): Ceiling {
  const roles = ROLES.flatMap((role) => {
    const [mine, theirs] = [left.roles[role], right.roles[role]];
    const policy = mine === undefined || theirs === undefined ? (mine ?? theirs) : narrow(mine, theirs);
    return policy === undefined ? [] : [[role, policy] as const];
  });
  return { ...left, roles: Object.fromEntries(roles) };
}
