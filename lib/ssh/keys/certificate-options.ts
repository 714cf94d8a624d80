import { Reader } from '../wire.ts';
import { parseNetworkList } from './addresses.ts';
import { isForcible, type KeyOptions, UNRESTRICTED } from './key-options.ts';

/** Without its extensions a certificate permits nothing beside a command. */
const BARE: KeyOptions = {
  ...UNRESTRICTED,
  pty: false,
  portForwarding: false,
  agentForwarding: false,
  x11Forwarding: false,
};

/** OpenSSH PROTOCOL.certkeys, "Extensions". Those that we do not know permit what we do not have. */
const EXTENSIONS: ReadonlyMap<string, Partial<KeyOptions>> = new Map<string, Partial<KeyOptions>>([
  ['permit-pty', { pty: true }],
  ['permit-port-forwarding', { portForwarding: true }],
  ['permit-agent-forwarding', { agentForwarding: true }],
  ['permit-X11-forwarding', { x11Forwarding: true }],
  ['permit-user-rc', {}],
  ['no-touch-required', { touchRequired: false }],
]);

const MOST_OPTIONS = 64;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The critical options and the extensions of a certificate. Undefined where it must not be accepted: a critical option
 * that we do not know, one that stands twice, a damaged value. Throws SshError `protocol` for broken packing.
 */
export function readCertificateOptions(
  critical: Buffer,
  extensions: Buffer,
  expiresAt: number,
): KeyOptions | undefined {
  let options: KeyOptions | undefined = { ...BARE, expiresAt };
  const [criticals, permitted] = [readPairs(critical), readPairs(extensions)];
  if (criticals === undefined || permitted === undefined) return undefined;
  for (const [name, data] of criticals) {
    const change = criticalOption(name, data);
    if (change === undefined) return undefined;
    options = { ...options, ...change };
  }
  for (const [name, data] of permitted) {
    const change = EXTENSIONS.get(name);
    if (change !== undefined && data.length > 0) return undefined;
    options = { ...options, ...change };
  }
  return options;
}

/** PROTOCOL.certkeys, "Critical options": the data of those with a value is a string in a string. */
function criticalOption(name: string, data: Buffer): Partial<KeyOptions> | undefined {
  switch (name) {
    case 'force-command': {
      const command = readText(data);
      return command !== undefined && isForcible(command) ? { command } : undefined;
    }
    case 'source-address': {
      const networks = parseNetworkList(readText(data) ?? '');
      return networks === undefined ? undefined : { from: [networks] };
    }
    case 'verify-required':
      return data.length === 0 ? { verifyRequired: true } : undefined;
    default:
      return undefined;
  }
}

function readText(data: Buffer): string | undefined {
  const reader = new Reader(data);
  const bytes = reader.string();
  reader.end();
  try {
    return utf8.decode(bytes);
  } catch {
    // Not a text: nothing that we could honour.
    return undefined;
  }
}

/** Pairs of a name and its data; undefined where one name stands twice, or there are too many. */
function readPairs(packed: Buffer): Map<string, Buffer> | undefined {
  const reader = new Reader(packed);
  const pairs = new Map<string, Buffer>();
  while (reader.remaining > 0) {
    const name = reader.string().toString('latin1');
    if (pairs.has(name) || pairs.size >= MOST_OPTIONS) return undefined;
    pairs.set(name, reader.string());
  }
  return pairs;
}
