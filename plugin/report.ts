/** What is and what is not, in lines for people. */
import type { Access, AccessUser } from './accesses.ts';
import { isTrusted } from './trusted-words.ts';

/** Ready or not; the conditions that do not hold, each with its sentence; the line of each user. */
export function statusReport({ metadata, status }: Access): string {
  const ready = status.conditions.find(({ type }) => type === 'Ready');
  const others = status.conditions.filter(({ type, status: holds }) => type !== 'Ready' && holds !== 'True');
  const head = ready === undefined ? 'not looked at yet: is the operator running?' : stateOf(ready);
  return [
    `${metadata.namespace}/${metadata.name}: ${head}`,
    ...others.map(({ type, reason, message }) => `  ${inOneLine(`${type}: ${reason}`)}: ${indented(message)}`),
    ...status.pods.map(({ name, ready: isReady }) => inOneLine(`  pod ${name}: ${isReady ? 'ready' : 'not ready'}`)),
    ...status.users.map(userLine),
  ].join('\n');
}

const stateOf = ({ status, reason, message }: { status: string; reason: string; message: string }): string =>
  `${status === 'True' ? 'ready' : 'not ready'} (${inOneLine(reason)}): ${indented(message)}`;

const userLine = ({ username, access, command, expiresAt }: AccessUser): string =>
  inOneLine(`  ${username} (${access}${expiresAt === undefined ? '' : `, until ${expiresAt}`}): ${lineOf(command)}`);

/** It will be copied into a shell. */
function lineOf(command: string | undefined): string {
  if (command === undefined) return 'may not log in';
  return isTrusted('command line', command) ? command : 'the line in its status is none of ours: who has written that?';
}

const indented = (message: string): string => message.replaceAll('\n', '\n    ');

/** Only messages of conditions have several. */
const inOneLine = (text: string): string => text.replaceAll('\n', ' ');

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
    inOneLine(row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('   '));
  return rows.map((row) => line(row).trimEnd()).join('\n');
}
