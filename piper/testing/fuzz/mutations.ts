/** What a careless or a hostile peer makes of an SSH message: it knows where the fields are, and lies about each. */
import { MSG } from '../../../lib/ssh/numbers.ts';
import type { Random } from '../../../lib/ssh/testing/random.ts';
import { Reader, Writer } from '../../../lib/ssh/wire.ts';
import { anyRequest } from './requests.ts';

type Kind = 'byte' | 'cookie' | 'boolean' | 'uint32' | 'string' | 'names' | 'rest';
type Field = { kind: Kind; bytes: Buffer };

const names = (count: number): Kind[] => Array.from({ length: count }, () => 'names');

/** The fields after the number (RFC 4250–4254); what comes after those that are common to all is `rest`. */
const LAYOUTS: ReadonlyMap<number | undefined, readonly Kind[]> = new Map<number, readonly Kind[]>([
  [MSG.SERVICE_REQUEST, ['string']],
  [MSG.KEXINIT, ['cookie', ...names(10), 'boolean', 'uint32']],
  [MSG.KEX_ECDH_INIT, ['string']],
  [MSG.USERAUTH_REQUEST, ['string', 'string', 'string', 'boolean', 'string', 'string', 'string']],
  [MSG.GLOBAL_REQUEST, ['string', 'boolean', 'string', 'uint32']],
  [MSG.CHANNEL_OPEN, ['string', 'uint32', 'uint32', 'uint32', 'string', 'uint32', 'string', 'uint32']],
  [MSG.CHANNEL_WINDOW_ADJUST, ['uint32', 'uint32']],
  [MSG.CHANNEL_DATA, ['uint32', 'string']],
  [MSG.CHANNEL_EXTENDED_DATA, ['uint32', 'uint32', 'string']],
  [MSG.CHANNEL_REQUEST, ['uint32', 'string', 'boolean', 'string', 'uint32', 'uint32', 'string']],
]);

const NUMBERS = [0, 1, 2, 255, 256, 32_768, 35_000, 262_144, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];
const TEXTS = [
  '',
  'none',
  'password',
  'keyboard-interactive',
  'hostbased',
  'ssh-rsa',
  'ssh-dss',
  'ssh-connection',
  'acme-hello.1',
  'acme-hello--pod',
  'acme-hello-dev',
  '__proto__',
  'constructor',
  'assert-identity@sshaccess.dev',
  'end-access@sshaccess.dev',
  'hostkeys-prove-00@openssh.com',
  'tcpip-forward',
  'auth-agent-req@openssh.com',
  'x11-req',
  'direct-streamlocal@openssh.com',
  'forwarded-tcpip',
  'session',
  'subsystem',
  '169.254.169.254',
  '\u{202e}\u0000\r\n{"event":"start"}',
  '../../etc/passwd',
];

export const pick = <Item>(random: Random, items: readonly Item[], fallback: Item): Item =>
  items[random.below(items.length)] ?? fallback;

/** Mostly one message that is nearly right; or none, two, or one that nobody asked for. */
export function mutateMessage(random: Random, payload: Buffer): Buffer[] {
  switch (random.below(8)) {
    case 0:
      return [];
    case 1:
      return [payload, payload];
    case 2:
      return [noise(random), payload];
    case 3:
      return [noise(random)];
    default:
      return [mutateFields(random, payload)];
  }
}

/** A message out of place, or one of any number with anything in it. */
const noise = (random: Random): Buffer =>
  random.below(2) === 0
    ? anyRequest(random)
    : Buffer.concat([Buffer.of(random.below(256)), random.bytes(random.below(64))]);

function mutateFields(random: Random, payload: Buffer): Buffer {
  const fields = fieldsOf(payload);
  const at = random.below(fields.length);
  const field = fields[at] ?? { kind: 'rest', bytes: payload };
  const before = fields.slice(0, at);
  const after = fields.slice(at + 1);
  const bytes = (list: readonly Field[]): Buffer[] => list.map((one) => one.bytes);
  switch (random.below(6)) {
    case 0:
      return Buffer.concat([...bytes(before), field.bytes.subarray(0, random.below(field.bytes.length + 1))]);
    case 1:
      return Buffer.concat([...bytes(before), ...bytes(after)]);
    case 2:
      return Buffer.concat([payload, random.bytes(1 + random.below(16))]);
    default:
      return Buffer.concat([...bytes(before), mutateField(random, field), ...bytes(after)]);
  }
}

function fieldsOf(payload: Buffer): Field[] {
  const reader = new Reader(payload);
  const fields: Field[] = [{ kind: 'byte', bytes: reader.raw(1) }];
  for (const kind of LAYOUTS.get(payload[0]) ?? []) {
    const start = reader.offset;
    try {
      skip(reader, kind);
    } catch {
      // This one is of another kind from here on.
      fields.push({ kind: 'rest', bytes: payload.subarray(start) });
      return fields;
    }
    fields.push({ kind, bytes: payload.subarray(start, reader.offset) });
  }
  if (reader.remaining > 0) fields.push({ kind: 'rest', bytes: reader.rest() });
  return fields;
}

const LENGTHS: Readonly<Partial<Record<Kind, number>>> = { byte: 1, boolean: 1, uint32: 4, cookie: 16 };

function skip(reader: Reader, kind: Kind): void {
  reader.raw(LENGTHS[kind] ?? reader.uint32());
}

function mutateField(random: Random, { kind, bytes }: Field): Buffer {
  switch (kind) {
    case 'byte':
      return Buffer.of(random.below(256));
    case 'boolean':
      return Buffer.of(random.below(4) * 85);
    case 'uint32':
      return uint32(pick(random, NUMBERS, 0));
    case 'names':
      return mutateNames(random, bytes);
    case 'string':
      return mutateString(random, bytes);
    case 'cookie':
    case 'rest':
    default:
      return random.bytes(random.below(64));
  }
}

function mutateString(random: Random, bytes: Buffer): Buffer {
  const content = Buffer.from(bytes.subarray(4));
  switch (random.below(6)) {
    case 0:
      return Buffer.concat([uint32(pick(random, NUMBERS, 0)), content]);
    case 1:
      return Buffer.concat([uint32((content.length + random.below(3) - 1) >>> 0), content]);
    case 2:
      return string(Buffer.alloc(random.below(30_000), random.below(256)));
    case 3:
      return string(Buffer.from(pick(random, TEXTS, '')));
    case 4:
      return string(random.bytes(random.below(100)));
    default:
      if (content.length > 0) content.writeUInt8(random.below(256), random.below(content.length));
      return string(content);
  }
}

function mutateNames(random: Random, bytes: Buffer): Buffer {
  const list = bytes.toString('latin1', 4).split(',');
  switch (random.below(6)) {
    case 0:
      return string(Buffer.from(list.toReversed().join(',')));
    case 1:
      return string(Buffer.from([...list, '', ''].join(',')));
    case 2:
      return string(Buffer.from(Array.from({ length: 1 + random.below(2000) }, (_, index) => `n${index}`).join(',')));
    case 3:
      return string(Buffer.from(list.slice(0, random.below(list.length + 1)).join(',')));
    case 4:
      return string(Buffer.from([...list, ...list, 'kex-strict-s-v00@openssh.com', 'ext-info-s'].join(',')));
    default:
      return mutateString(random, bytes);
  }
}

/** A line that says who the client is, or should. */
export function mutateIdent(random: Random, line: Buffer): Buffer[] {
  switch (random.below(7)) {
    case 0:
      return [Buffer.from('SSH-1.5-old\r\n')];
    case 1:
      return [Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')];
    case 2:
      return [Buffer.from(`SSH-2.0-${'x'.repeat(random.below(1200))}\r\n`)];
    case 3:
      return [Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n'), line];
    case 4:
      return [Buffer.from('\r\n'.repeat(1 + random.below(100))), line];
    case 5:
      return [random.bytes(1 + random.below(600))];
    default:
      return random.mutate(line);
  }
}

/** A client's value of the key exchange, of each wrong kind: RFC 8731 §3 wants most of them refused. */
export function mutatePublicValue(random: Random, payload: Buffer): Buffer[] {
  const length = payload.length - 5;
  const init = (value: Buffer): Buffer => Buffer.concat([Buffer.of(MSG.KEX_ECDH_INIT), string(value)]);
  switch (random.below(7)) {
    case 0:
      return [init(Buffer.alloc(length))];
    case 1:
      return [init(Buffer.alloc(length, 0xff))];
    case 2:
      // The point of order two, where the value is one of curve25519.
      return [init(Buffer.concat([Buffer.of(1), Buffer.alloc(length - 1)]))];
    case 3:
      return [init(Buffer.alloc(random.below(2 * length), 7))];
    case 4:
      // Not reduced modulo q, where the value begins with one of ML-KEM (FIPS 203 §7.2).
      return [init(Buffer.concat([Buffer.alloc(1152, 0xff), payload.subarray(5 + 1152)]).subarray(0, length))];
    case 5:
      return [init(Buffer.concat([payload.subarray(5, 5 + length - 1), random.bytes(1)]))];
    default:
      return mutateMessage(random, payload);
  }
}

const uint32 = (value: number): Buffer => new Writer(4).uint32(value).bytes();
const string = (content: Buffer): Buffer => new Writer(content.length + 4).string(content).bytes();
