// The schemas that the sidecar carries into every pod are of zod/mini: with the methods of zod it is 6 MiB larger there.
import * as z from 'zod/mini';
import { SESSION_FACTS_PREFIX } from './main-container.ts';

/** What a role may do (design: root and limited). The words of `status` and of every record. */
export const ROLES = ['root', 'limited'] as const;
export const Role = z.enum(ROLES);
export type Role = z.infer<typeof Role>;

/** Where forwarded TCP connections may lead (`-L`, `-D`, `-W`) or be accepted (`-R`): nowhere, or on the pod's loopback. */
export const FORWARDING = ['none', 'loopback'] as const;
const Forwarding = z.enum(FORWARDING);

/** From the least to the most. */
export const SFTP_ACCESS = ['none', 'read-only', 'read-write'] as const;

const integer = (least: number, most: number) => z.int().check(z.minimum(least), z.maximum(most));
const list = <Entry extends z.core.$ZodType>(entry: Entry, most: number) => z.array(entry).check(z.maxLength(most));

/** Absolute, without `.` and `..`: as text, `/data/../etc` is below `/data`, and within a ceiling that names it. */
export const PLAIN_PATH = /^(?![^]*\/\.{1,2}(\/|$))\/[^\0]*$/;
/** The largest policy must fit into an assertion (sidecar/assertion.ts). */
export const POLICY_LIMITS = { paths: 16, pathLength: 512, commands: 32, commandLength: 512 } as const;
const plainPath = z.string().check(z.maxLength(POLICY_LIMITS.pathLength), z.regex(PLAIN_PATH));

/** A command as the client sends it: the shell gets these very bytes, and no others. */
const command = z.string().check(z.minLength(1), z.maxLength(POLICY_LIMITS.commandLength));

/**
 * One policy object, written by the operator into the route, asserted by the piper on each connection, bounded by the
 * ceiling in the pod's Secret, and enforced at both ends. What it does not name is refused.
 */
export const SessionPolicy = z.strictObject({
  /** Session channels that one user has open at once, over all connections to one replica of the piper. */
  maxSessions: integer(1, 64),
  /** `direct-tcpip`. */
  localForwarding: Forwarding,
  /** The only ports that `direct-tcpip` may lead to; null: every port. */
  localPorts: z.nullable(list(integer(1, 65_535), 64)),
  /** `tcpip-forward`. */
  remoteForwarding: Forwarding,
  /** Unix sockets of the app, both ways: `direct-streamlocal@openssh.com` and `streamlocal-forward@openssh.com`. */
  socketForwarding: z.boolean(),
  agentForwarding: z.boolean(),
  x11Forwarding: z.boolean(),
  /** `pty-req`. */
  pty: z.boolean(),
  sftp: z.strictObject({
    access: z.enum(SFTP_ACCESS),
    /** Directories that sftp is confined to; null: the whole file system. */
    paths: z.nullable(list(plainPath, POLICY_LIMITS.paths).check(z.minLength(1))),
  }),
  /** The only commands that `exec` runs, compared byte for byte, and then there is no shell; null: any, and a shell. */
  commands: z.nullable(list(command, POLICY_LIMITS.commands)),
  /**
   * The one command of `commands` runs in place of whatever a client asks for (sshd's ForceCommand); where `commands` is
   * empty and there is sftp, that does. The piper puts it there; the sidecar sees to it that nothing else runs.
   */
  forceCommand: z.boolean(),
  /** A connection on whose channels no data has passed for so long ends. 0: never. */
  idleTimeoutSeconds: integer(0, 31_536_000),
  /** A connection ends so long after its login. 0: never. */
  maxDurationSeconds: integer(0, 31_536_000),
  /** Names of environment variables that a client may set; a trailing `*` matches any rest. */
  clientEnvironment: list(z.string().check(z.regex(/^[A-Z_][A-Z0-9_]*\*?$/)), 64),
});
export type SessionPolicy = z.infer<typeof SessionPolicy>;

const LOCALE = ['LANG', 'LC_*', 'TERM'];
const HOUR = 3600;

/** What both roles have unless the SshAccess says otherwise. */
const COMMON = {
  localPorts: null,
  remoteForwarding: 'none',
  socketForwarding: false,
  agentForwarding: false,
  x11Forwarding: false,
  pty: true,
  commands: null,
  forceCommand: false,
} as const satisfies Partial<SessionPolicy>;

/** The defaults of each role; an SshAccess may only change what its schema offers. */
export const DEFAULT_POLICIES: Readonly<Record<Role, SessionPolicy>> = {
  root: {
    ...COMMON,
    maxSessions: 10,
    localForwarding: 'loopback',
    sftp: { access: 'read-write', paths: null },
    idleTimeoutSeconds: 2 * HOUR,
    maxDurationSeconds: 0,
    clientEnvironment: [...LOCALE, 'GIT_*'],
  },
  limited: {
    ...COMMON,
    maxSessions: 2,
    localForwarding: 'none',
    sftp: { access: 'read-only', paths: null },
    idleTimeoutSeconds: HOUR / 2,
    maxDurationSeconds: 8 * HOUR,
    clientEnvironment: LOCALE,
  },
};

/** What a client asked for where something else is forced to run (sshd(8)); the piper says it, and never a client. */
export const ORIGINAL_COMMAND = 'SSH_ORIGINAL_COMMAND';
/** Longer than any honest one; both ends must agree on what can be told. */
export const MOST_ORIGINAL_COMMAND = 8192;

/**
 * What no client sets, whatever its policy says: these choose what a program loads or runs, or who it believes to
 * serve. The names that a session gets from us are among them.
 */
const NEVER_NAMES: ReadonlySet<string> = new Set(
  'PATH HOME USER LOGNAME SHELL ENV IFS CDPATH TMPDIR PS4 PROMPT_COMMAND SHELLOPTS LOCPATH NLSPATH TERMINFO TERMINFO_DIRS'.split(
    ' ',
  ),
);
const NEVER_PREFIXES: readonly string[] = [
  SESSION_FACTS_PREFIX,
  ...'LD_ DYLD_ SSH_ BASH NODE_ NPM_ PYTHON PERL RUBY JAVA JDK_ _JAVA GLIBC_ GCONV MALLOC_'.split(' '),
];
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

/** Programs that do not distinguish capitals are not asked. */
export function isNeverFromClient(name: string): boolean {
  const capitals = name.toUpperCase();
  return NEVER_NAMES.has(capitals) || NEVER_PREFIXES.some((prefix) => capitals.startsWith(prefix));
}

/**
 * True where a client may set the environment variable `name` (RFC 4254 section 6.4). Where only named commands run, how
 * they speak is all that a client chooses: others, such as GIT_SSH_COMMAND, make a program run what nobody named.
 */
export function acceptsEnvironment({ clientEnvironment, commands }: SessionPolicy, name: string): boolean {
  if (!VARIABLE.test(name) || isNeverFromClient(name)) return false;
  return clientEnvironment
    .filter((pattern) => commands === null || LOCALE.includes(pattern))
    .some((pattern) => (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern));
}

/** True where `exec` may run these bytes. They are compared whole: a prefix or a pattern would be a shell's to widen. */
export function acceptsCommand({ commands }: SessionPolicy, bytes: Uint8Array): boolean {
  return commands === null || commands.some((allowed) => Buffer.from(allowed).equals(bytes));
}

/** True where a connection to this port of the pod's loopback may be forwarded. */
export function acceptsLocalPort({ localForwarding, localPorts }: SessionPolicy, port: number): boolean {
  if (localForwarding === 'none' || !Number.isInteger(port) || port < 1 || port > 65_535) return false;
  return localPorts === null || localPorts.includes(port);
}
