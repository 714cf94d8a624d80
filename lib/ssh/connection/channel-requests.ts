import { type Reader, Writer } from '../wire.ts';

/** A channel request as it came; its owner reads the fields that the type has (RFC 4254 §6) and nothing else. */
export type ChannelRequest = { type: string; fields: Reader };

/** The terminal's size, in characters and in pixels (RFC 4254 §6.2 and §6.7). */
export type TerminalSize = { columns: number; rows: number; width: number; height: number };

export type PseudoTerminal = { term: string; size: TerminalSize; modes: Buffer };

// The kernel's winsize holds 16 bits for each.
const dimension = (fields: Reader): number => Math.min(fields.uint32(), 0xffff);

/** `window-change` (RFC 4254 §6.7). */
export function readWindowChange(fields: Reader): TerminalSize {
  const size = readSize(fields);
  fields.end();
  return size;
}

/** `pty-req` (RFC 4254 §6.2); the modes are a copy, still encoded (§8). */
export function readPseudoTerminal(fields: Reader): PseudoTerminal {
  const term = fields.string().toString('latin1');
  const size = readSize(fields);
  const modes = Buffer.from(fields.string());
  fields.end();
  return { term, size, modes };
}

/** `env` (RFC 4254 §6.4). */
export function readEnvironmentVariable(fields: Reader): { name: string; value: Buffer } {
  const name = fields.string().toString('latin1');
  const value = Buffer.from(fields.string());
  fields.end();
  return { name, value };
}

/** The one string of `exec`, `subsystem` (§6.5) and `signal` (§6.9): a copy. */
export function readOneString(fields: Reader): Buffer {
  const value = Buffer.from(fields.string());
  fields.end();
  return value;
}

/** The fields of `exit-status` (RFC 4254 §6.10). */
export function exitStatus(code: number): Buffer {
  return new Writer(4).uint32(code).bytes();
}

/** RFC 4254 §6.10 names these; others carry a domain. */
const RFC_SIGNALS = [
  'ABRT',
  'ALRM',
  'FPE',
  'HUP',
  'ILL',
  'INT',
  'KILL',
  'PIPE',
  'QUIT',
  'SEGV',
  'TERM',
  'USR1',
  'USR2',
];

/** True for the signals that RFC 4254 §6.10 names, without `SIG`. */
export const isRfcSignal = (name: string): boolean => RFC_SIGNALS.includes(name);

/** The fields of `exit-signal` (RFC 4254 §6.10) for a signal such as `SIGTERM`. */
export function exitSignal(signal: string): Buffer {
  const name = signal.replace(/^SIG/, '');
  return new Writer()
    .string(isRfcSignal(name) ? name : `${name}@sshaccess.dev`)
    .boolean(false)
    .string('')
    .string('')
    .bytes();
}

function readSize(fields: Reader): TerminalSize {
  return { columns: dimension(fields), rows: dimension(fields), width: dimension(fields), height: dimension(fields) };
}
