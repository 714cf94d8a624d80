/** Blocks for ~/.ssh/config. */
import type { Access } from './accesses.ts';
import { Problem } from './problem.ts';
import { trusted } from './trusted-words.ts';

/** One Host for each user who may log in, named as the username. @throws Problem when there is none, or no address */
export function sshConfig({ metadata, status }: Access, identity: string | undefined): string {
  const { endpoint } = status;
  if (endpoint === undefined) {
    throw new Problem('the installation does not know its address; an administrator sets endpoint.host in the chart');
  }
  const users = status.users.filter(({ command }) => command !== undefined);
  if (users.length === 0) {
    throw new Problem(`nobody may log in by ${metadata.name}; kubectl sshaccess status ${metadata.name} says why`);
  }
  const known = `# The host keys of the gateway: kubectl sshaccess known-hosts -n ${metadata.namespace} ${metadata.name} >> ~/.ssh/known_hosts\n`;
  const hosts = users
    .map(({ username }) =>
      [
        `Host ${trusted('username', username)}`,
        `  HostName ${trusted('host', endpoint.host)}`,
        `  Port ${endpoint.port}`,
        `  User ${username}`,
        ...(identity === undefined ? [] : [`  IdentityFile ${quoted(identity)}`, '  IdentitiesOnly yes']),
        '  ServerAliveInterval 30',
        '',
      ].join('\n'),
    )
    .join('\n');
  return endpoint.hostKeys === undefined ? hosts : `${known}${hosts}`;
}

/** ssh_config(5): an argument with spaces stands in double quotes. */
const quoted = (path: string): string => (/\s/.test(path) ? `"${path}"` : path);

/** The ready-to-use line of a user, by default of the first: the primary user. @throws Problem */
export function loginLine(
  { metadata, status }: Access,
  username: string | undefined,
  identity: string | undefined,
): string {
  const user = status.users.find((candidate) => username === undefined || candidate.username === username);
  if (user === undefined) {
    const known = status.users.map((candidate) => candidate.username).join(', ');
    throw new Problem(`${metadata.name} has no user ${username ?? ''}; it has: ${known || 'none'}`);
  }
  if (user.command === undefined) {
    throw new Problem(`${user.username} may not log in; kubectl sshaccess status ${metadata.name} says why`);
  }
  const line = trusted('command line', user.command);
  return identity === undefined ? line : line.replace('<your-private-key>', () => shellWord(identity));
}

/** A path as one word of a POSIX shell; `~` and plain ones as they are. */
const shellWord = (path: string): string =>
  /^[\w~./@:+-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
