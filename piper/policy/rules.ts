/** What may pass, as data. What is not named here is refused: to the client's face, and without the pod seeing it. */
import { isIPv4 } from 'node:net';
import { acceptsEnvironment, acceptsLocalPort, type SessionPolicy } from '../../crds/index.ts';
import type { Reader } from '../../lib/ssh/wire.ts';
import type { ChannelKind } from './channels.ts';

/** Global requests that pass, either way. Port forwarding from the pod (-R) does not exist yet, so neither does a cancel. */
const CLIENT_GLOBALS: ReadonlySet<string> = new Set(['keepalive@openssh.com', 'no-more-sessions@openssh.com']);
const POD_GLOBALS: ReadonlySet<string> = new Set(['keepalive@openssh.com']);

const ON_ANY_CHANNEL = ['eow@openssh.com', 'keepalive@openssh.com'];
/** RFC 4254 §6 and RFC 4335 (break), without x11-req; without auth-agent-req@openssh.com. */
const CHANNEL_REQUESTS: Readonly<Record<ChannelKind, ReadonlySet<string>>> = {
  session: new Set([
    'pty-req',
    'env',
    'shell',
    'exec',
    'subsystem',
    'window-change',
    'signal',
    'break',
    ...ON_ANY_CHANNEL,
  ]),
  'direct-tcpip': new Set(ON_ANY_CHANNEL),
};

export function clientMayAsk(globalRequest: string): boolean {
  return CLIENT_GLOBALS.has(globalRequest);
}

export function podMayAsk(globalRequest: string): boolean {
  return POD_GLOBALS.has(globalRequest);
}

/** `rest` is what follows want-reply: for `env` the name and the value. */
export function channelMayAsk(policy: SessionPolicy, kind: ChannelKind, request: string, rest: Reader): boolean {
  if (!CHANNEL_REQUESTS[kind].has(request)) return false;
  return request !== 'env' || acceptsEnvironment(policy, rest.string().toString('latin1'));
}

/** RFC 4254 §7.2: `rest` is host, port, and where the connection comes from. */
export function mayForwardTo(policy: SessionPolicy, rest: Reader): boolean {
  const host = rest.string().toString('latin1');
  const port = rest.uint32();
  return acceptsLocalPort(policy, port) && isLoopback(host);
}

/** Only the plain spellings: every other one (decimal, octal, mapped, a name) may mean something else to a resolver. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
