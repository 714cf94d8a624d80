/** Who may log in by an SshAccess, and why not the others. */
import { MOST_KEYS_OF_ROUTE, type RouteUser, type SshAccess } from '../crds/index.ts';
import { finding, type Finding } from './findings.ts';
import { readSecret } from './own-objects.ts';
import { policyOf } from './policies.ts';
import { isExpired, requestedUsers, served } from './requested-users.ts';
import type { Verdict } from './status.ts';
import { readUserKeys } from './user-keys.ts';
import type { Run } from './run.ts';

/** Judges every user of the spec: by their keys, the owner of the username, and the clock. */
export async function judgeUsers(run: Run, access: SshAccess) {
  const { world } = run.options;
  const { namespace } = run.cached.metadata;
  const { users, invalidOrganization } = requestedUsers(access, world.organizationLabel(namespace));
  const secrets = await readUserSecrets(
    run,
    users.map(({ secretName }) => secretName),
  );
  const verdicts: Verdict[] = [];
  const routed: RouteUser[] = [];
  const owned: string[] = [];
  const keyProblems: Finding[] = [];
  const nameProblems: Finding[] = [];
  if (invalidOrganization !== undefined) nameProblems.push(finding('InvalidOrganization', invalidOrganization));
  const within = served(users, run.options.config.maxUsersPerAccess);
  const beyond = users.filter((user) => !within.includes(user)).map(({ username }) => username);
  if (beyond.length > 0) nameProblems.push(finding('TooManyUsers', within.length, beyond.join(', ')));
  let room = MOST_KEYS_OF_ROUTE;
  for (const user of users) {
    const keys = readUserKeys(user, secrets.get(user.secretName), access.spec.runtime, room);
    keyProblems.push(...keys.problems);
    const owner = world.otherOwner(run.cached, user.username);
    if (owner === undefined) owned.push(user.username);
    else nameProblems.push(finding('UsernameTaken', user.username, nearby(run, owner)));
    const expired = isExpired(user, run.now);
    if (user.expiresAt !== undefined && !expired) run.requeueAt(user.expiresAt);
    // Also those whose time is over: who proves to be one of them is told so.
    const isRouted = owner === undefined && keys.lines.length > 0 && within.includes(user);
    verdicts.push({
      user,
      fingerprints: keys.fingerprints,
      described: keys.described,
      mayLogIn: isRouted && !expired && access.spec.enabled,
    });
    if (!isRouted) continue;
    room -= keys.lines.length;
    const { username, role, uidOffset, expiresAt } = user;
    const policy = policyOf(role, access.spec);
    const expiry = expiresAt === undefined ? {} : { expiresAt };
    routed.push({ username, role, authorizedKeys: [...keys.lines], policy, uidOffset, ...expiry });
  }
  return { users: verdicts, routed, owned, keyProblems, nameProblems };
}

async function readUserSecrets(run: Run, names: readonly string[]) {
  const { namespace } = run.cached.metadata;
  const read = async (name: string) =>
    [name, await readSecret(run.options.client, { namespace, name }, run.signal)] as const;
  return new Map(await Promise.all([...new Set(names)].map((name) => read(name))));
}

/** The holder of a username, named only to people who may know of it. */
function nearby(run: Run, owner: string): string | undefined {
  const prefix = `${run.cached.metadata.namespace}/`;
  return owner.startsWith(prefix) ? owner.slice(prefix.length) : undefined;
}
