/** What may pass, as data. What is not named here is refused: to the asker's face, and without the other end seeing it. */
import { isIPv4 } from 'node:net';
import { acceptsCommand, acceptsEnvironment, acceptsLocalPort, type SessionPolicy } from '../../crds/index.ts';
import type { Reader } from '../../lib/ssh/wire.ts';
import type { ChannelKind } from './channels.ts';
import { type Listening, readSocketPath } from './forwards.ts';
import type { Bounds } from './sshd.ts';

/**
 * Why something is refused: the field of the policy; or it is nothing we know, or nonsense, or too much; or the pod's
 * sshd does it wider than the policy allows, and nobody else could hold it back.
 */
export const OBJECTIONS = [
  ...([
    'maxSessions',
    'localForwarding',
    'localPorts',
    'remoteForwarding',
    'socketForwarding',
    'agentForwarding',
    'x11Forwarding',
    'pty',
    'sftp',
    'commands',
    'clientEnvironment',
  ] as const satisfies readonly (keyof SessionPolicy)[]),
  'unknown',
  'malformed',
  'too-many',
  'sftp.paths',
  'sftp.access',
  'bind-address',
  'sshd-port',
] as const;
export type Objection = (typeof OBJECTIONS)[number];

type Switch = 'socketForwarding' | 'agentForwarding' | 'x11Forwarding' | 'pty';
const unlessOn = (policy: SessionPolicy, name: Switch): Objection | undefined => (policy[name] ? undefined : name);

const CLIENT_OPENS: ReadonlyMap<string, ChannelKind> = new Map(
  (['session', 'direct-tcpip', 'direct-streamlocal@openssh.com'] as const).map((kind) => [kind, kind]),
);

/** The kind of a channel that a client may open, the policy allowing; undefined where it never may. */
export function kindOfClient(type: string): ChannelKind | undefined {
  return CLIENT_OPENS.get(type);
}

/** Of a channel that the client opens; `fields` are those of its type. Counts are not looked at. */
export function objectionToOpen(bounds: Bounds, kind: ChannelKind, fields: Reader): Objection | undefined {
  const { policy } = bounds;
  if (kind === 'direct-tcpip') return objectionToDestination(bounds, fields);
  if (kind !== 'direct-streamlocal@openssh.com') return undefined;
  return unlessOn(policy, 'socketForwarding') ?? (readSocketPath(fields) === undefined ? 'malformed' : undefined);
}

/** RFC 4254 §7.2: host, port, and where the connection comes from. */
function objectionToDestination({ policy, sshd }: Bounds, fields: Reader): Objection | undefined {
  const host = fields.string().toString('latin1');
  const port = fields.uint32();
  if (policy.localForwarding === 'none' || !isLoopback(host)) return 'localForwarding';
  // A sidecar looks after its own port. At an sshd's, a key that a session has added lets in past all of this.
  if (port === sshd?.port) return 'sshd-port';
  return acceptsLocalPort(policy, port) ? undefined : 'localPorts';
}

/** Only the plain spellings: every other one (decimal, octal, mapped, a name) may mean something else to a resolver. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

const ON_ANY_CHANNEL = ['eow@openssh.com', 'keepalive@openssh.com'];
/** RFC 4254 §6 and RFC 4335 (break), without those that the policy has a say in. */
const ON_SESSIONS = new Set(['window-change', 'signal', 'break', ...ON_ANY_CHANNEL]);
const ELSEWHERE: ReadonlySet<string> = new Set(ON_ANY_CHANNEL);
const FROM_POD_ON_SESSIONS = new Set(['exit-status', 'exit-signal', 'xon-xoff', ...ON_ANY_CHANNEL]);

/** Of a request that the client makes on a channel; `fields` are those of its type. */
export function objectionToRequest(
  bounds: Bounds,
  kind: ChannelKind,
  request: string,
  fields: Reader,
): Objection | undefined {
  if (kind !== 'session') return ELSEWHERE.has(request) ? undefined : 'unknown';
  const { policy } = bounds;
  switch (request) {
    case 'env':
      return acceptsEnvironment(policy, fields.string().toString('latin1')) ? undefined : 'clientEnvironment';
    case 'shell':
      return policy.commands === null ? undefined : 'commands';
    case 'exec':
      return acceptsCommand(policy, fields.string()) ? undefined : 'commands';
    case 'subsystem':
      if (fields.string().toString('latin1') !== 'sftp') return 'unknown';
      return objectionToSftp(bounds);
    case 'pty-req':
      return unlessOn(policy, 'pty');
    case 'x11-req':
      return unlessOn(policy, 'x11Forwarding');
    case 'auth-agent-req@openssh.com':
      return unlessOn(policy, 'agentForwarding');
    default:
      return ON_SESSIONS.has(request) ? undefined : 'unknown';
  }
}

/** An sshd's own sftp-server knows no policy; what our init script has set up can at least be told to only read. */
export function objectionToSftp({ policy: { sftp }, sshd }: Bounds): Objection | undefined {
  if (sftp.access === 'none') return 'sftp';
  if (sshd === undefined) return undefined;
  if (sftp.paths !== null) return 'sftp.paths';
  return sftp.access === 'read-only' && !sshd.keepsReadOnly ? 'sftp.access' : undefined;
}

/** Of where the pod is to listen for a client (-R). A sidecar listens on its loopback whatever the address says. */
export function objectionToListening({ sshd }: Bounds, at: Listening): Objection | undefined {
  if (sshd === undefined || 'path' in at) return undefined;
  return LISTENING.has(at.address) ? undefined : 'bind-address';
}

/** Loopback to an sshd with GatewayPorts no (where any address is) and clientspecified. */
const LISTENING: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '::1']);

export function podMayRequest(kind: ChannelKind, request: string): boolean {
  return (kind === 'session' ? FROM_POD_ON_SESSIONS : ELSEWHERE).has(request);
}

/** Of a global request of the client's, by its name alone. Who may not forward has nothing to cancel. */
export function objectionToGlobal(policy: SessionPolicy, name: string): Objection | undefined {
  switch (name) {
    case 'keepalive@openssh.com':
    case 'no-more-sessions@openssh.com':
      return undefined;
    case 'tcpip-forward':
    case 'cancel-tcpip-forward':
      return policy.remoteForwarding === 'none' ? 'remoteForwarding' : undefined;
    case 'streamlocal-forward@openssh.com':
    case 'cancel-streamlocal-forward@openssh.com':
      return unlessOn(policy, 'socketForwarding');
    default:
      return 'unknown';
  }
}

/** The pod's own host keys (hostkeys-00@openssh.com) are not ours: the client would complain about bad signatures. */
export function podMayAsk(globalRequest: string): boolean {
  return globalRequest === 'keepalive@openssh.com';
}
