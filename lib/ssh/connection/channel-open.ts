import { MSG, OPEN_FAILURE } from '../numbers.ts';
import { type Reader, Writer } from '../wire.ts';
import type { Channel, ChannelEvents } from './channel.ts';
import { MIN_REMOTE_MAX_PACKET } from './limits.ts';

/** How the owner of a connection answers a CHANNEL_OPEN (RFC 4254 §5.1): once, now or later. */
export type ChannelOpen = {
  type: string;
  /** The fields that the type has; read them before anything asynchronous. */
  fields: Reader;
  /** The connection ended or the answer was given: neither accept nor refuse. */
  readonly settled: boolean;
  accept: (events: (channel: Channel) => ChannelEvents, receiveWindow?: number) => void;
  refuse: (reason: number, description: string) => void;
};

export type ParsedOpen = { type: string; remote: number; window: number; maxPacket: number; fields: Reader };

export function readChannelOpen(fields: Reader): ParsedOpen {
  const type = fields.name();
  return { type, remote: fields.uint32(), window: fields.uint32(), maxPacket: fields.uint32(), fields };
}

/** Why a channel is refused whatever its type, or undefined. */
export function openProblem(open: ParsedOpen, hasRoom: boolean): { reason: number; description: string } | undefined {
  if (open.maxPacket < MIN_REMOTE_MAX_PACKET)
    return { reason: OPEN_FAILURE.RESOURCE_SHORTAGE, description: 'the maximum packet size is too small' };
  if (!hasRoom) return { reason: OPEN_FAILURE.RESOURCE_SHORTAGE, description: 'too many open channels' };
  return undefined;
}

export function openMessage(type: string, sizes: { local: number; window: number; maxPacket: number }): Writer {
  const { local, window, maxPacket } = sizes;
  return new Writer().byte(MSG.CHANNEL_OPEN).string(type).uint32(local).uint32(window).uint32(maxPacket);
}

export function openConfirmation(remote: number, sizes: { local: number; window: number; maxPacket: number }): Buffer {
  const { local, window, maxPacket } = sizes;
  const message = new Writer().byte(MSG.CHANNEL_OPEN_CONFIRMATION).uint32(remote);
  return message.uint32(local).uint32(window).uint32(maxPacket).bytes();
}

export function openFailure(remote: number, reason: number, description: string): Buffer {
  const message = new Writer().byte(MSG.CHANNEL_OPEN_FAILURE).uint32(remote);
  return message.uint32(reason).string(description).string('').bytes();
}
