/** Ends the sessions of a user, who may come in again: an annotation that the gateway acts upon. */
import type { Access } from './accesses.ts';
import { Problem } from './problem.ts';

export const KICK = 'sshaccess.dev/kick';

/**
 * The annotation's new value. Kicks of other users stay.
 * @throws Problem where the SshAccess has no such user
 */
export function kickAnnotation({ metadata, status }: Access, username: string, now: Date): string {
  const user = status.users.find((candidate) => candidate.username === username);
  if (user === undefined) {
    const known = status.users.map((candidate) => candidate.username).join(', ');
    throw new Problem(`${metadata.name} has no user ${username}; it has: ${known || 'none'}`);
  }
  // Our clock may be slow: who has logged in by the clock of the cluster is meant, too.
  const lastLogin = Date.parse(user.lastLogin ?? '');
  const before = new Date(Math.max(now.getTime(), Number.isNaN(lastLogin) ? 0 : lastLogin + 1_000));
  const others = (metadata.annotations[KICK] ?? '')
    .split(',')
    .map((kick) => kick.trim())
    .filter((kick) => status.users.some((other) => other !== user && kick.startsWith(`${other.username}@`)));
  return [...others, `${username}@${before.toISOString()}`].join(',');
}
