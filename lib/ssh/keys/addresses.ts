import { isIPv4, isIPv6 } from 'node:net';

/** One entry of `from=` or of a certificate's `source-address`. */
type AddressPattern = { negated: boolean; matches: (address: Address) => boolean };

/** A list of addresses, networks and wildcards, as sshd matches it (ssh_config(5), PATTERNS). */
export type AddressList = readonly AddressPattern[];

/** Whoever writes the list chooses how much work each login is. */
const MOST_PATTERNS = 64;
const LONGEST_PATTERN = 64;
/** What the text of an address can match; with other characters it is the name of a host, and nobody looks those up. */
const WILDCARD = /^(?:[0-9.*?]+|[0-9a-f.:*?]*:[0-9a-f.:*?]*|\*)$/i;

/** An address as sshd sees it: the text that wildcards look at, and the number that networks look at. */
type Address = { text: string; bits: 32 | 128; value: bigint };

/** `from=`: addresses, networks in CIDR notation and wildcards, each of which `!` negates. Undefined: it is no such list. */
export function parseAddressList(text: string): AddressList | undefined {
  return parseList(text, (entry) => {
    const negated = entry.startsWith('!');
    const matches = parsePattern(negated ? entry.slice(1) : entry);
    return matches === undefined ? undefined : { negated, matches };
  });
}

/** `source-address`: addresses and networks only. Undefined: it is no such list. */
export function parseNetworkList(text: string): AddressList | undefined {
  return parseList(text, (entry) => {
    const matches = parseNetwork(entry);
    return matches === undefined ? undefined : { negated: false, matches };
  });
}

/** As sshd: what is negated excludes wherever it stands, and where nothing else matches, nobody is let in. */
export function matchesAddress(list: AddressList, text: string): boolean {
  const address = parseAddress(plain(text));
  if (address === undefined) return false;
  const matching = list.filter(({ matches }) => matches(address));
  return matching.length > 0 && !matching.some(({ negated }) => negated);
}

function parseList(
  text: string,
  parse: (entry: string) => AddressPattern | undefined,
): readonly AddressPattern[] | undefined {
  const entries = text.split(',', MOST_PATTERNS + 1);
  if (entries.length > MOST_PATTERNS) return undefined;
  const patterns = entries.map((entry) => (entry.length > LONGEST_PATTERN ? undefined : parse(entry)));
  const understood = patterns.filter((pattern) => pattern !== undefined);
  return understood.length === patterns.length ? understood : undefined;
}

function parsePattern(pattern: string): AddressPattern['matches'] | undefined {
  const network = parseNetwork(pattern);
  if (network !== undefined) return network;
  // An address that is a network of its own was one above: what is left has a wildcard, or it matches nothing, ever.
  if (!WILDCARD.test(pattern) || !/[*?]/.test(pattern)) return undefined;
  const lower = pattern.toLowerCase();
  return ({ text }) => matchesWildcard(text, lower);
}

function parseNetwork(text: string): AddressPattern['matches'] | undefined {
  const [network = '', bits, ...rest] = text.split('/');
  const address = parseAddress(network);
  if (address === undefined || rest.length > 0) return undefined;
  const prefix = bits === undefined ? address.bits : readPrefix(bits);
  if (prefix === undefined || prefix > address.bits) return undefined;
  const shift = BigInt(address.bits - prefix);
  // sshd refuses what names a host and means its network, too: one of the two is a mistake.
  if ((address.value >> shift) << shift !== address.value) return undefined;
  return (other) => other.bits === address.bits && other.value >> shift === address.value >> shift;
}

const readPrefix = (text: string): number | undefined => (/^\d{1,3}$/.test(text) ? Number(text) : undefined);

/** An IPv4 client at a socket of IPv6 (RFC 4291 §2.5.5.2), and the zone of a link-local one: neither is meant. */
function plain(address: string): string {
  const [withoutZone = ''] = address.toLowerCase().split('%');
  const mapped = withoutZone.replace(/^::ffff:(?=[0-9.]+$)/, '');
  return isIPv4(mapped) ? mapped : withoutZone;
}

function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { text, bits: 32, value: fromIPv4(text) };
  if (isIPv6(text) && !text.includes('%')) return { text, bits: 128, value: fromIPv6(text) };
  return undefined;
}

function fromIPv4(text: string): bigint {
  return text.split('.').reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

/** RFC 4291 §2.2; isIPv6 has looked at the syntax. */
function fromIPv6(text: string): bigint {
  const dotted = /[0-9.]+$/.exec(text)?.[0] ?? '';
  if (!dotted.includes('.')) return fromGroups(text);
  const value = fromIPv4(dotted);
  return fromGroups(`${text.slice(0, -dotted.length)}${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`);
}

function fromGroups(text: string): bigint {
  const [left = [], right = []] = text.split('::').map((half) => half.split(':').filter((group) => group !== ''));
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...zeros, ...right].reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

/** `*` and `?` as in a shell; in time of the product of the lengths, whatever the pattern. */
function matchesWildcard(text: string, pattern: string): boolean {
  let [at, in_, star, retry] = [0, 0, -1, 0];
  while (at < text.length) {
    if (pattern[in_] === '*') [star, retry] = [in_++, at];
    else if (pattern[in_] === '?' || pattern[in_] === text[at]) [at, in_] = [at + 1, in_ + 1];
    else if (star >= 0) [in_, at] = [star + 1, ++retry];
    else return false;
  }
  return /^\**$/.test(pattern.slice(in_));
}
