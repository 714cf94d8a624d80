import { parseAddressList } from './addresses.ts';
import { parseExpiry } from './expiry.ts';
import { isForcible, type KeyOptions, LONGEST_COMMAND, UNRESTRICTED } from './key-options.ts';

/** The options of one authorized_keys line. */
export type LineOptions = KeyOptions & {
  /** `cert-authority`: the key signs certificates, and does not log in itself. */
  isAuthority: boolean;
  /** `principals=`: a certificate must name one of them; undefined: the username. */
  principals: readonly string[] | undefined;
};

export const NO_OPTIONS: LineOptions = { ...UNRESTRICTED, isAuthority: false, principals: undefined };

/** As many ports as a policy may name. */
const MOST_PORTS = 64;
const MOST_PRINCIPALS = 256;
const LOOPBACK = /^(?:127\.0\.0\.1|localhost|\[::1\]):(\d{1,5}|\*)$/i;

/** What a flag makes of the options; `no-` in front of it, where sshd knows that, makes the opposite. */
const FLAGS: Readonly<Record<string, (on: boolean) => Partial<LineOptions>>> = {
  pty: (pty) => ({ pty }),
  'port-forwarding': (portForwarding) => ({ portForwarding }),
  'agent-forwarding': (agentForwarding) => ({ agentForwarding }),
  'x11-forwarding': (x11Forwarding) => ({ x11Forwarding }),
  // Nothing here runs a file of the user's home because of a login.
  'user-rc': () => ({}),
  'touch-required': (touchRequired) => ({ touchRequired }),
  'verify-required': (verifyRequired) => ({ verifyRequired }),
};
/** Those without an opposite. `restrict` is undone by what stands behind it, not by what stands before. */
const SWITCHES: Readonly<Record<string, Partial<LineOptions>>> = {
  restrict: { pty: false, portForwarding: false, agentForwarding: false, x11Forwarding: false },
  'cert-authority': { isAuthority: true },
};

type Read = (value: string, soFar: LineOptions) => Partial<LineOptions> | string;

const once = (name: keyof LineOptions, read: Read): Read => {
  return (value, soFar) =>
    soFar[name] === NO_OPTIONS[name] ? read(value, soFar) : 'an option that may stand only once stands twice';
};

/** What an option with a value makes of the options, or what is wrong with it. */
const VALUES: Readonly<Record<string, Read>> = {
  from: once('from', (value) => {
    const list = parseAddressList(value);
    return list === undefined
      ? 'from= takes addresses, networks such as 192.0.2.0/24, and wildcards such as 192.0.2.*; names of hosts are not looked up'
      : { from: [list] };
  }),
  'expiry-time': (value, { expiresAt }) => {
    const time = parseExpiry(value);
    if (time === undefined) return 'expiry-time= is YYYYMMDD, or YYYYMMDDHHMM with SS or not, in UTC';
    // As sshd: the soonest counts.
    return { expiresAt: Math.min(expiresAt, time) };
  },
  command: once('command', (command) =>
    isForcible(command)
      ? { command }
      : `command= is empty, longer than ${LONGEST_COMMAND} characters, or has control characters`,
  ),
  principals: once('principals', (value) => {
    const principals = value.split(',', MOST_PRINCIPALS + 1);
    if (principals.includes('') || principals.length > MOST_PRINCIPALS)
      return `principals= takes 1 to ${MOST_PRINCIPALS} names, separated by commas`;
    return { principals };
  }),
  permitopen: (value, { permitOpen }) => {
    const port = LOOPBACK.exec(value)?.[1];
    if (port === '*') return { permitOpen: EVERY_PORT };
    if (port === undefined || Number(port) < 1 || Number(port) > 65_535)
      return 'permitopen= leads to the loopback of the pod only: give 127.0.0.1, localhost or [::1], a colon, and a port or *';
    if (permitOpen === EVERY_PORT) return {};
    const ports = [...new Set([...(permitOpen ?? []), Number(port)])];
    return ports.length > MOST_PORTS ? `permitopen= may name ${MOST_PORTS} ports at most` : { permitOpen: ports };
  },
  permitlisten: () =>
    'permitlisten= is not supported, and is not ignored either: write no-port-forwarding, or leave -R to spec.policy (remoteForwarding), which has it off unless it is asked for',
  environment: () => 'environment= is not supported, and is not ignored either: delete it',
  tunnel: () => 'tunnel= is not supported, and is not ignored either: there are no tunnels here; delete it',
};

/** Every port, as a list that more ports do not make longer. */
const EVERY_PORT: readonly number[] = Object.freeze([]);

/**
 * Reads the options at the begin of a line (sshd(8), AUTHORIZED_KEYS FILE FORMAT), up to the blank behind them. An option
 * that is not understood, or not honoured, is a problem: never stripped, never ignored.
 */
export function parseLineOptions(line: string): { options: LineOptions; end: number } | { problem: string } {
  let options = NO_OPTIONS;
  let at = 0;
  for (;;) {
    const option = readOption(line, at);
    if (typeof option === 'string') return { problem: option };
    const change = changeOf(option, options);
    if (typeof change === 'string') return { problem: change };
    options = { ...options, ...change };
    at = option.end;
    if (line[at] !== ',') break;
    at++;
  }
  if (at < line.length && line[at] !== ' ' && line[at] !== '\t') return { problem: DAMAGED };
  const problem = contradiction(options);
  if (problem !== undefined) return { problem };
  return {
    options: { ...options, permitOpen: options.permitOpen === EVERY_PORT ? null : options.permitOpen },
    end: at,
  };
}

const DAMAGED = 'the options in front of the key are damaged: separate them by commas without blanks, and quote values';

type Option = { name: string; value: string | undefined; end: number };

const NAME = /[a-z0-9-]{1,64}/iy;

function readOption(line: string, at: number): Option | string {
  NAME.lastIndex = at;
  const [name = ''] = NAME.exec(line) ?? [];
  if (name === '') return DAMAGED;
  const end = at + name.length;
  if (line[end] !== '=') return { name: name.toLowerCase(), value: undefined, end };
  const quoted = readQuoted(line, end + 1);
  return quoted === undefined ? DAMAGED : { name: name.toLowerCase(), ...quoted };
}

/** sshd knows one escape, `\"`; any other backslash is one. */
function readQuoted(line: string, at: number): { value: string; end: number } | undefined {
  if (line[at] !== '"') return undefined;
  for (let end = at + 1; end < line.length; end++) {
    if (line[end] === '\\' && line[end + 1] === '"') end++;
    else if (line[end] === '"') return { value: line.slice(at + 1, end).replaceAll('\\"', '"'), end: end + 1 };
  }
  return undefined;
}

function changeOf({ name, value }: Option, soFar: LineOptions): Partial<LineOptions> | string {
  if (value !== undefined) return own(VALUES, name)?.(value, soFar) ?? unknown(name);
  const negated = name.startsWith('no-');
  return own(SWITCHES, name) ?? own(FLAGS, negated ? name.slice('no-'.length) : name)?.(!negated) ?? unknown(name);
}

/** Not `constructor`, which every object has. */
function own<Value>(table: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

const unknown = (name: string): string =>
  `the option ${name} is not known as it is written, and is not ignored: correct or delete it`;

function contradiction({ isAuthority, principals }: LineOptions): string | undefined {
  if (principals === undefined || isAuthority) return undefined;
  return 'principals= belongs to a key with cert-authority';
}
