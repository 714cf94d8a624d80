import { Writer } from '../../lib/ssh/wire.ts';

/** What shows an X server that a program may connect. */
export type XCookie = { protocol: string; cookie: Buffer };

// Xauth(3): who is asked for a cookie compares family, address and display; FamilyWild is equal to every address.
const FAMILY_LOCAL = 256;
const FAMILY_WILD = 65_535;

/**
 * The bytes of an Xauthority file (Xauth(3)) for display `localhost:<display>`. A library that has connected to the
 * loopback looks up FamilyLocal with its host's name, as if by a Unix socket; the wild entry is for those that look up
 * something else, and for a name that has been changed.
 */
export function xauthority(hostname: string, display: number, cookie: XCookie): Buffer {
  const entries = [entry(FAMILY_LOCAL, hostname, display, cookie), entry(FAMILY_WILD, '', display, cookie)];
  return Buffer.concat(entries);
}

function entry(family: number, address: string, display: number, { protocol, cookie }: XCookie): Buffer {
  const fields = [Buffer.from(address), Buffer.from(String(display)), Buffer.from(protocol), cookie];
  const writer = uint16(new Writer(), family);
  for (const field of fields) uint16(writer, field.length).raw(field);
  return writer.bytes();
}

const uint16 = (writer: Writer, value: number): Writer => writer.byte(value >> 8).byte(value & 0xff);
