/** Policies compared: what one allows no more than another, and what two allow both. */
import { SFTP_ACCESS, type SessionPolicy } from './session-policy.ts';

/** True where `policy` asks for nothing that `ceiling` does not allow: what both allow is then `policy` itself. */
export function isWithin(policy: SessionPolicy, ceiling: SessionPolicy): boolean {
  return JSON.stringify(narrow(policy, ceiling)) === JSON.stringify(narrow(policy, policy));
}

/** What both allow. */
export function narrow(left: SessionPolicy, right: SessionPolicy): SessionPolicy {
  return {
    maxSessions: Math.min(left.maxSessions, right.maxSessions),
    localForwarding: left.localForwarding === 'none' ? 'none' : right.localForwarding,
    localPorts: both(left.localPorts, right.localPorts),
    remoteForwarding: left.remoteForwarding === 'none' ? 'none' : right.remoteForwarding,
    socketForwarding: left.socketForwarding && right.socketForwarding,
    agentForwarding: left.agentForwarding && right.agentForwarding,
    x11Forwarding: left.x11Forwarding && right.x11Forwarding,
    pty: left.pty && right.pty,
    sftp: narrowSftp(left.sftp, right.sftp),
    commands: both(left.commands, right.commands),
    // It takes away: with it, a client does not choose among the commands.
    forceCommand: left.forceCommand || right.forceCommand,
    idleTimeoutSeconds: sooner(left.idleTimeoutSeconds, right.idleTimeoutSeconds),
    maxDurationSeconds: sooner(left.maxDurationSeconds, right.maxDurationSeconds),
    clientEnvironment: left.clientEnvironment.filter((name) => right.clientEnvironment.includes(name)),
  };
}

/** Two lists, each of which null is everything for. */
function both<Entry>(left: Entry[] | null, right: Entry[] | null): Entry[] | null {
  if (left === null || right === null) return left ?? right;
  return left.filter((entry) => right.includes(entry));
}

/** Two limits, each of which 0 is none for. */
const sooner = (left: number, right: number): number =>
  left === 0 || right === 0 ? Math.max(left, right) : Math.min(left, right);

function narrowSftp(left: SessionPolicy['sftp'], right: SessionPolicy['sftp']): SessionPolicy['sftp'] {
  const access = SFTP_ACCESS[Math.min(SFTP_ACCESS.indexOf(left.access), SFTP_ACCESS.indexOf(right.access))] ?? 'none';
  if (access === 'none') return { access, paths: null };
  if (left.paths === null || right.paths === null) return { access, paths: left.paths ?? right.paths };
  const paths = topmost([...inside(left.paths, right.paths), ...inside(right.paths, left.paths)]);
  // Nothing in common is no access: no list of paths stands for none.
  return paths.length === 0 ? { access: 'none', paths: null } : { access, paths };
}

/** Without those that are below another. */
const topmost = (paths: readonly string[]): string[] => {
  const unique = [...new Set(paths)];
  return unique.filter((path) => !unique.some((other) => other !== path && isAtOrBelow(path, other)));
};

const inside = (paths: readonly string[], directories: readonly string[]): string[] =>
  paths.filter((path) => directories.some((directory) => isAtOrBelow(path, directory)));

function isAtOrBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith('/') ? directory : `${directory}/`);
}
