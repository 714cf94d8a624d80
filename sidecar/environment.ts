import { MARKER_ENV } from '../crds/names.ts';
import {
  acceptsEnvironment,
  isNeverFromClient,
  MOST_ORIGINAL_COMMAND,
  ORIGINAL_COMMAND,
  type Role,
  type SessionPolicy,
} from '../crds/session-policy.ts';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What `limited` gets of the app's environment: where programs are and how to speak, nothing that could be a secret. */
const LIMITED_NAMES = /^(PATH|LANG|LC_[A-Z]+|TZ)$/;

const MAX_CLIENT_VARIABLES = 64;
const MAX_CLIENT_VALUE = MOST_ORIGINAL_COMMAND;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of bytes that Node takes for a path: UTF-8 without NUL; else undefined. */
export function programText(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return undefined;
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Variables as the kernel has them: bytes. Each character of a name is one of its bytes (latin1). */
export type Variables = ReadonlyMap<string, Buffer>;

/** The variables of `/proc/<pid>/environ`, without our marker. */
export function parseEnviron(environ: Buffer): Map<string, Buffer> {
  const variables = new Map<string, Buffer>();
  let start = 0;
  while (start < environ.length) {
    const nul = environ.indexOf(0, start);
    const end = nul < 0 ? environ.length : nul;
    const entry = environ.subarray(start, end);
    start = end + 1;
    const equals = entry.indexOf('=');
    if (equals <= 0) continue;
    const name = entry.toString('latin1', 0, equals);
    // As with getenv(3), the first one counts.
    if (name !== MARKER_ENV && !variables.has(name)) variables.set(name, entry.subarray(equals + 1));
  }
  return variables;
}

/** True where a client's `env` request may add the variable to those that it has set. */
export function mayClientSet(policy: SessionPolicy, set: ReadonlyMap<string, unknown>, name: string): boolean {
  // Never a client's own: the piper passes none of that name on.
  if (name === ORIGINAL_COMMAND) return policy.forceCommand;
  if (!acceptsEnvironment(policy, name)) return false;
  return set.has(name) || set.size < MAX_CLIENT_VARIABLES;
}

/** True for a value that is not too long and that a variable can have: the kernel ends it at a NUL. */
export const isClientValue = (value: Buffer): boolean => value.length <= MAX_CLIENT_VALUE && !value.includes(0);

/** What of the app's environment means the same in another image: not where things are, and what to load from there. */
export const withoutPlaces = (app: Variables): Map<string, Buffer> =>
  new Map([...app].filter(([name]) => !isNeverFromClient(name)));

export type EnvironmentInput = {
  role: Role;
  /** The app's environment, as far as it can be read. */
  app: Variables;
  /** What the client set, already checked with {@link mayClientSet}. */
  client: Variables;
  account: { name: string; home: string | undefined; shell: string };
  /** Those that lead to what the session has of its own. */
  own: Readonly<Record<string, string>>;
  /** Of the terminal; undefined without one. */
  term: string | undefined;
  connection: SessionConnection;
};

/** Who is at the other end, as the piper asserted it, and where they arrived. */
export type SessionConnection = {
  id: string;
  username: string;
  clientAddress: string;
  clientPort: number;
  serverAddress: string;
  serverPort: number;
};

/** The environment of a session's program. Later ones win: the app's, the client's, ours. */
export function sessionEnvironment(input: EnvironmentInput): Map<string, Buffer> {
  const { account, connection } = input;
  const { clientAddress, clientPort, serverAddress, serverPort } = connection;
  const ours = {
    ...(account.home === undefined ? {} : { HOME: account.home }),
    USER: account.name,
    LOGNAME: account.name,
    SHELL: account.shell,
    ...(input.term === undefined ? {} : { TERM: input.term }),
    ...input.own,
    SSH_CLIENT: `${clientAddress} ${clientPort} ${serverPort}`,
    SSH_CONNECTION: `${clientAddress} ${clientPort} ${serverAddress} ${serverPort}`,
    SSHACCESS_USER: connection.username,
    SSHACCESS_ROLE: input.role,
    SSHACCESS_SESSION: connection.id,
  };
  return new Map([...bytesOf({ PATH: DEFAULT_PATH }), ...fromApp(input), ...input.client, ...bytesOf(ours)]);
}

const bytesOf = (variables: Readonly<Record<string, string>>): [string, Buffer][] =>
  Object.entries(variables).map(([name, value]) => [name, Buffer.from(value)]);

function fromApp({ role, app }: EnvironmentInput): [string, Buffer][] {
  const variables = [...app].filter(([name]) => name !== MARKER_ENV);
  return role === 'root' ? variables : variables.filter(([name]) => LIMITED_NAMES.test(name));
}
