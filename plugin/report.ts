/** What is and what is not, in lines for people. */
import type { Access, AccessUser } from './accesses.ts';

/** Ready or not; the conditions that do not hold, each with its sentence; the line of each user. */
export function statusReport({ metadata, status }: Access): string {
  const ready = status.conditions.find(({ type }) => type === 'Ready');
  const others = status.conditions.filter(({ type, status: holds }) => type !== 'Ready' && holds !== 'True');
  const head = ready === undefined ? 'not looked at yet: is the operator running?' : stateOf(ready);
  return [
    `${metadata.namespace}/${metadata.name}: ${head}`,
    ...others.map(({ type, reason, message }) => `  ${type}: ${reason}: ${message.replaceAll('\n', '\n    ')}`),
    ...status.pods.map(({ name, ready: isReady }) => `  pod ${name}: ${isReady ? 'ready' : 'not ready'}`),
    ...status.users.map(userLine),
  ].join('\n');
}

const stateOf = ({ status, reason, message }: { status: string; reason: string; message: string }): string =>
  `${status === 'True' ? 'ready' : 'not ready'} (${reason}): ${message}`;

const userLine = ({ username, access, command, expiresAt }: AccessUser): string =>
  `  ${username} (${access}${expiresAt === undefined ? '' : `, until ${expiresAt}`}): ${command ?? 'may not log in'}`;

/** A table: who is logged in now, and when each was last. */
export function whoReport(accesses: readonly Access[]): string {
  const rows = accesses.flatMap(({ metadata, status }) =>
    status.users.map((user) => [
      user.username,
      metadata.name,
      user.access,
      String(user.activeSessions ?? 0),
      user.lastLogin ?? 'never',
    ]),
  );
  return table([['USERNAME', 'SSHACCESS', 'ACCESS', 'SESSIONS', 'LAST LOGIN'], ...rows]);
}

/** Of those who are there, how many sessions each has. */
export function sessionsReport(accesses: readonly Access[]): string {
  const rows = accesses.flatMap(({ metadata, status }) =>
    status.users
      .filter(({ activeSessions = 0 }) => activeSessions > 0)
      .map(({ username, activeSessions }) => [username, metadata.name, String(activeSessions)]),
  );
  return rows.length === 0 ? 'nobody is there' : table([['USERNAME', 'SSHACCESS', 'SESSIONS'], ...rows]);
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('   ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}
