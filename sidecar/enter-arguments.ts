import type { SessionPolicy } from '../crds/session-policy.ts';
import type { PseudoTerminal, TerminalSize } from '../lib/ssh/connection/channel-requests.ts';
import type { Account } from './account.ts';
import type { Entry } from './entry.ts';
import type { Identity } from './identity.ts';

/** What a session runs: one of the three requests of RFC 4254 §6.5. */
export type ProgramRequest = { type: 'shell' } | { type: 'exec'; command: Buffer } | { type: 'sftp' };

export type Launch = {
  request: ProgramRequest;
  entry: Entry;
  identity: Identity;
  account: Account;
  terminal: PseudoTerminal | undefined;
  sftp: SessionPolicy['sftp'];
};

/** The arguments of `enter` that say where a session is, and as whom: of all its commands. */
export function placeArguments({ entry, identity, account }: Pick<Launch, 'entry' | 'identity' | 'account'>): string[] {
  const place = entry.kind === 'chroot' ? ['--pid', `${entry.app.pid}`, '--start', `${entry.app.start}`] : [];
  const ids = ['--uid', `${identity.uid}`, '--gid', `${identity.gid}`];
  if (identity.groups !== undefined) ids.push('--groups', identity.groups.join(','));
  const rights = ['--umask', identity.umask];
  if (identity.capabilityBound !== undefined) rights.push('--capbnd', identity.capabilityBound);
  if (identity.noNewPrivs) rights.push('--no-new-privs');
  const cwd = entry.kind === 'chroot' ? entry.app.cwd : '/';
  const home = account.home === undefined ? [] : ['--home', account.home];
  return [...place, ...ids, ...rights, '--cwd', cwd, ...home];
}

/** What runs a session's program: arguments of `enter`, and the program's own, as bytes. */
export type EnterCommand = { options: string[]; argv: Buffer[] };

/** The command of `enter` that runs a session's program. */
export function enterCommand(launch: Launch, busyboxPath: string): EnterCommand {
  const { account, terminal } = launch;
  const options = ['run', ...placeArguments(launch), ...(account.home === undefined ? ['--make-home'] : [])];
  if (launch.request.type === 'sftp')
    return { options: [...options, '--builtin', 'sftp', ...confinement(launch.sftp)], argv: [Buffer.from('sftp')] };
  const pty =
    terminal === undefined ? [] : ['--pty', sizeText(terminal.size), '--modes', terminal.modes.toString('hex')];
  const program = ['--path', account.shell, '--fallback', busyboxPath];
  return { options: [...options, ...pty, ...program], argv: shellArguments(account.shell, launch.request) };
}

/** Who may only read, or is confined to directories, is so in the helper; the request was refused where there is no access. */
const confinement = ({ access, paths }: SessionPolicy['sftp']): string[] => [
  ...(access === 'read-write' ? [] : ['--read-only']),
  ...(paths ?? []).flatMap((path) => ['--directory', path]),
];

/** `80x24x640x480`: columns, rows, and pixels. */
const sizeText = ({ columns, rows, width, height }: TerminalSize): string => `${columns}x${rows}x${width}x${height}`;

// A leading dash makes a shell a login shell. The command is one argument, never parsed by us.
function shellArguments(shell: string, request: { type: 'shell' } | { type: 'exec'; command: Buffer }): Buffer[] {
  const name = shell.slice(shell.lastIndexOf('/') + 1);
  if (request.type === 'shell') return [Buffer.from(`-${name}`)];
  return [Buffer.from(name), Buffer.from('-c'), request.command];
}
