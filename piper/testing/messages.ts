/** Connection protocol messages (RFC 4254) for tests that speak as a raw client or a raw pod. */
import { MSG } from '../../lib/ssh/numbers.ts';
import { Reader, Writer } from '../../lib/ssh/wire.ts';

export function channelOpen(type: string, sender: number, rest: Buffer = Buffer.alloc(0), maxPacket = 32_768): Buffer {
  const writer = new Writer().byte(MSG.CHANNEL_OPEN).string(type).uint32(sender);
  return writer.uint32(2_097_152).uint32(maxPacket).raw(rest).bytes();
}

export function directTcpip(sender: number, host: string, port: number): Buffer {
  return channelOpen('direct-tcpip', sender, new Writer().string(host).uint32(port).string('::1').uint32(9).bytes());
}

export function confirmation(recipient: number, sender: number, maxPacket = 32_768): Buffer {
  const writer = new Writer().byte(MSG.CHANNEL_OPEN_CONFIRMATION).uint32(recipient).uint32(sender);
  return writer.uint32(2_097_152).uint32(maxPacket).bytes();
}

export function channelRequest(recipient: number, name: string, wantReply: boolean, rest?: Buffer): Buffer {
  const writer = new Writer().byte(MSG.CHANNEL_REQUEST).uint32(recipient).string(name).boolean(wantReply);
  return writer.raw(rest ?? Buffer.alloc(0)).bytes();
}

export function channelData(recipient: number, data: Uint8Array | string): Buffer {
  return new Writer().byte(MSG.CHANNEL_DATA).uint32(recipient).string(data).bytes();
}

export function globalRequest(name: string, wantReply: boolean, rest?: Buffer): Buffer {
  const writer = new Writer().byte(MSG.GLOBAL_REQUEST).string(name).boolean(wantReply);
  return writer.raw(rest ?? Buffer.alloc(0)).bytes();
}

/** A message that is a number and a recipient: SUCCESS, FAILURE, CLOSE, EOF. */
export function short(message: number, recipient: number): Buffer {
  return new Writer().byte(message).uint32(recipient).bytes();
}

export const text = (value: string): Buffer => new Writer().string(value).bytes();

/** What tests compare: `CHANNEL_OPEN_FAILURE 7 1`. */
export function describeMessage(payload: Buffer): string {
  const entry = Object.entries(MSG).find(([, number]) => number === payload[0]);
  const name = entry?.[0] ?? String(payload[0]);
  const reader = new Reader(payload, 1);
  if (payload[0] === MSG.CHANNEL_OPEN) return `${name} ${reader.name()} ${reader.uint32()}`;
  if (payload[0] === MSG.GLOBAL_REQUEST) return `${name} ${reader.name()}`;
  if (payload[0] === MSG.CHANNEL_REQUEST) return `${name} ${reader.uint32()} ${reader.name()}`;
  if (payload[0] === MSG.CHANNEL_OPEN_CONFIRMATION || payload[0] === MSG.CHANNEL_OPEN_FAILURE)
    return `${name} ${reader.uint32()} ${reader.uint32()}`;
  return reader.remaining >= 4 ? `${name} ${reader.uint32()}` : name;
}
