/**
 * The PROXY protocol, versions 1 and 2 (HAProxy's specification, sections 2.1 and 2.2), as a receiver reads it: what a
 * load balancer says about the client, before the client's own first byte.
 */
import { isIPv4, isIPv6 } from 'node:net';

export type Client = { address: string; port: number };

/** `bytes`: how long the header was. `client` is undefined where the proxy speaks for itself, or does not know. */
export type ProxyHeader = { bytes: number; client: Client | undefined };

/** What came is no header. */
export class ProxyProtocolError extends Error {
  readonly code = 'proxy-protocol';
}

/** Section 2.1: with both addresses at their longest, CRLF included. */
const MAX_V1_BYTES = 107;
const V1_START = Buffer.from('PROXY ');
/** Section 2.2: chosen so that no other protocol begins so. */
const V2_SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const V2_FIXED_BYTES = 16;
/** Addresses and what the proxy adds (TLVs): load balancers send some hundred bytes. */
const MAX_V2_BODY_BYTES = 2048;
export const MAX_HEADER_BYTES = V2_FIXED_BYTES + MAX_V2_BODY_BYTES;

/**
 * Reads the header at the beginning of `data`. @returns undefined where more bytes are needed, at most
 * {@link MAX_HEADER_BYTES} in all. @throws ProxyProtocolError where it cannot become one any more
 */
export function readProxyHeader(data: Buffer): ProxyHeader | undefined {
  if (startsAlike(data, V2_SIGNATURE)) return data.length < V2_FIXED_BYTES ? undefined : readBinary(data);
  if (startsAlike(data, V1_START)) return readLine(data);
  throw new ProxyProtocolError('the connection does not begin with a PROXY header');
}

/** As far as there is data, it is what `start` is. */
function startsAlike(data: Buffer, start: Buffer): boolean {
  const length = Math.min(data.length, start.length);
  return data.subarray(0, length).equals(start.subarray(0, length));
}

function readLine(data: Buffer): ProxyHeader | undefined {
  const end = data.subarray(0, MAX_V1_BYTES).indexOf('\r\n');
  if (end === -1) {
    if (data.length >= MAX_V1_BYTES) throw new ProxyProtocolError('the PROXY line has no end');
    return undefined;
  }
  const bytes = end + 2;
  const words = data.toString('latin1', 0, end).split(' ');
  // "UNKNOWN" may be followed by anything, which is to be ignored.
  if (words[1] === 'UNKNOWN') return { bytes, client: undefined };
  const [, family, address = '', destination = '', port = '', destinationPort = ''] = words;
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isPlainIPv6 : undefined;
  const isWhole = words.length === 6 && isPort(port) && isPort(destinationPort);
  if (isAddress === undefined || !isWhole || !isAddress(address) || !isAddress(destination))
    throw new ProxyProtocolError('the PROXY line is malformed');
  return { bytes, client: { address: family === 'TCP4' ? address : canonicalIPv6(address), port: Number(port) } };
}

const isPort = (text: string): boolean => /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
const isPlainIPv6 = (text: string): boolean => isIPv6(text) && !text.includes('%');

const VERSION_2 = 2;
const COMMAND = { local: 0, proxy: 1 } as const;
/** Address family and transport in one byte (section 2.2). */
const TRANSPORT = { unspecified: 0x00, tcp4: 0x11, tcp6: 0x21 } as const;

function readBinary(data: Buffer): ProxyHeader | undefined {
  const [versionAndCommand, transport] = [data.readUInt8(12), data.readUInt8(13)];
  const length = data.readUInt16BE(14);
  if (versionAndCommand >> 4 !== VERSION_2) throw new ProxyProtocolError('the PROXY header has an unknown version');
  if (length > MAX_V2_BODY_BYTES) throw new ProxyProtocolError(`the PROXY header announces ${length} bytes`);
  const bytes = V2_FIXED_BYTES + length;
  if (data.length < bytes) return undefined;
  const command = versionAndCommand & 0x0f;
  // A connection of the proxy's own, such as a health check: whatever follows is to be ignored.
  if (command === COMMAND.local) return { bytes, client: undefined };
  if (command !== COMMAND.proxy) throw new ProxyProtocolError('the PROXY header has an unknown command');
  return { bytes, client: clientIn(data.subarray(V2_FIXED_BYTES, bytes), transport) };
}

/** Source address, destination address, source port, destination port; then TLVs, which nobody needs here. */
function clientIn(body: Buffer, transport: number): Client | undefined {
  switch (transport) {
    case TRANSPORT.unspecified:
      return undefined;
    case TRANSPORT.tcp4:
      if (body.length < 12) throw new ProxyProtocolError('the PROXY header is too short for its addresses');
      return { address: body.subarray(0, 4).join('.'), port: body.readUInt16BE(8) };
    case TRANSPORT.tcp6:
      if (body.length < 36) throw new ProxyProtocolError('the PROXY header is too short for its addresses');
      return { address: canonicalIPv6(groupsOf(body.subarray(0, 16))), port: body.readUInt16BE(32) };
    default:
      throw new ProxyProtocolError('the PROXY header is not about TCP');
  }
}

const groupsOf = (bytes: Buffer): string =>
  Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16)).join(':');

/**
 * As RFC 5952 writes it, by way of the URL parser, which does the same; and an IPv4 address in IPv6's clothes (RFC 4291
 * section 2.5.5.2) as what it is, so that no limit counts it apart.
 */
function canonicalIPv6(address: string): string {
  const canonical = new URL(`ssh://[${address}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical);
  if (mapped === null) return canonical;
  return mapped
    .slice(1)
    .flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff])
    .join('.');
}
