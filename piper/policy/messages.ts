import { SshError } from '../../lib/ssh/errors.ts';
import { MSG } from '../../lib/ssh/numbers.ts';
import { Reader, Writer } from '../../lib/ssh/wire.ts';

export const REQUEST_FAILURE: Buffer = Buffer.from([MSG.REQUEST_FAILURE]);

/** What our transports carry in one message, both ways (MAX_PACKET_LENGTH); an end that announces more gets no more. */
const MAX_PACKET = 256 * 1024;
/** SSH_EXTENDED_DATA_STDERR (RFC 4254 §5.2). */
const STDERR = 1;

export function typeOf(payload: Buffer): number {
  return payload[0] ?? 0;
}

/** The recipient's channel number of messages 91 to 100 (RFC 4254 §5). */
export function recipientOf(payload: Buffer): number {
  return new Reader(payload, 1).uint32();
}

export function openFailure(recipient: number, reason: number, description: string): Buffer {
  const writer = new Writer().byte(MSG.CHANNEL_OPEN_FAILURE).uint32(recipient).uint32(reason);
  return writer.string(description).string('').bytes();
}

export function channelSuccess(recipient: number): Buffer {
  return new Writer(5).byte(MSG.CHANNEL_SUCCESS).uint32(recipient).bytes();
}

export function channelFailure(recipient: number): Buffer {
  return new Writer(5).byte(MSG.CHANNEL_FAILURE).uint32(recipient).bytes();
}

/**
 * What a program does that says a line on stderr and exits with a status (RFC 4254 §5.2, §5.3, §6.10): the whole of it,
 * where `room` has the line.
 */
export function endOfProgram(recipient: number, line: string, status: number, room: number): Buffer[] {
  const to = (type: number): Writer => new Writer().byte(type).uint32(recipient);
  const text = Buffer.from(`${line}\r\n`);
  return [
    ...(text.length > room ? [] : [to(MSG.CHANNEL_EXTENDED_DATA).uint32(STDERR).string(text).bytes()]),
    to(MSG.CHANNEL_EOF).bytes(),
    to(MSG.CHANNEL_REQUEST).string('exit-status').boolean(false).uint32(status).bytes(),
    to(MSG.CHANNEL_CLOSE).bytes(),
  ];
}

/** RFC 4254 §6.5. */
export function execRequest(recipient: number, wantReply: boolean, command: string): Buffer {
  const writer = new Writer().byte(MSG.CHANNEL_REQUEST).uint32(recipient).string('exec').boolean(wantReply);
  return writer.string(command).bytes();
}

/** RFC 4254 §6.5. */
export function subsystemRequest(recipient: number, wantReply: boolean, name: string): Buffer {
  const writer = new Writer().byte(MSG.CHANNEL_REQUEST).uint32(recipient).string('subsystem').boolean(wantReply);
  return writer.string(name).bytes();
}

/** RFC 4254 §6.4; nobody is to reply, or the client would get an answer to what it never asked. */
export function environmentRequest(recipient: number, name: string, value: Uint8Array | string): Buffer {
  const writer = new Writer().byte(MSG.CHANNEL_REQUEST).uint32(recipient).string('env').boolean(false);
  return writer.string(name).string(value).bytes();
}

/**
 * RFC 4253 §11.3, to be displayed: all that a transport in between may say on its own. `ssh -v` shows it, as it shows
 * what sshd says about a refused forwarding in the same way.
 */
export function explanation(sentence: string): Buffer {
  return new Writer().byte(MSG.DEBUG).boolean(true).string(sentence).string('').bytes();
}

/** The payload with the maximum packet size at `offset` within what both of our transports carry. */
export function clamped(payload: Buffer, offset: number): Buffer {
  const size = new Reader(payload, offset).uint32();
  // Zero has sent servers into endless loops of empty packets; nothing can be said over such a channel.
  if (size === 0) throw new SshError('protocol', 'a channel has the maximum packet size 0');
  if (size <= MAX_PACKET) return payload;
  const copy = Buffer.from(payload);
  copy.writeUInt32BE(MAX_PACKET, offset);
  return copy;
}
