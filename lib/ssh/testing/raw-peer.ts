/** A connection whose peer is the test itself, and the messages (RFC 4254) that such a peer sends. */
import type { Channel, ChannelEvents } from '../connection/channel.ts';
import { Connection, type ConnectionOptions } from '../connection/connection.ts';
import { MSG } from '../numbers.ts';
import { Writer } from '../wire.ts';

export const nothing = Buffer.alloc(0);

/** A connection under test whose peer is the test itself: raw messages in, raw messages out. */
export function withRawPeer(options: Partial<ConnectionOptions> = {}) {
  const sent: Buffer[] = [];
  const link = {
    transport: {
      send: (payload: Uint8Array) => void sent.push(Buffer.from(payload)),
      unimplemented: () => void sent.push(Buffer.of(MSG.UNIMPLEMENTED)),
    },
    blocked: false,
    paused: false,
    pause: () => void (link.paused = true),
    resume: () => void (link.paused = false),
  };
  const log: string[] = [];
  const channels: Channel[] = [];
  const events = (channel: Channel): ChannelEvents => {
    channels.push(channel);
    return {
      onData: (data) => void log.push(`data ${data.length}`),
      onEof: () => void log.push('eof'),
      onRequest: ({ type }) => log.push(type) > 0 && type === 'good',
      onWritable: () => void log.push('writable'),
      onEndOfWrite: () => void log.push('end of write'),
      onClose: () => void log.push('close'),
    };
  };
  const connection = new Connection({
    link,
    maxChannels: 3,
    onChannelOpen: (open) => open.accept(events),
    onGlobalRequest: (name) => name === 'good',
    ...options,
  });
  const types = () => sent.splice(0).map((message) => message[0]);
  const last = () => sent[sent.length - 1] ?? nothing;
  return { connection, link, sent, types, last, log, channels, events };
}

export const open = (remote = 7, window = 1000, maxPacket = 32_768, type = 'session') =>
  new Writer().byte(MSG.CHANNEL_OPEN).string(type).uint32(remote).uint32(window).uint32(maxPacket).bytes();
export const forChannel = (type: number, id = 0) => new Writer().byte(type).uint32(id);
export const data = (length: number, id = 0) => forChannel(MSG.CHANNEL_DATA, id).string(Buffer.alloc(length)).bytes();
export const request = (type: string, wantReply: boolean, id = 0) =>
  forChannel(MSG.CHANNEL_REQUEST, id).string(type).boolean(wantReply).bytes();
export const adjust = (bytes: number) => forChannel(MSG.CHANNEL_WINDOW_ADJUST).uint32(bytes).bytes();

/** A raw peer with one open channel, numbered 0 here and 7 there; what was sent so far is forgotten. */
export function withChannel(window = 1000, maxPacket = 32_768) {
  const peer = withRawPeer();
  peer.connection.receive(open(7, window, maxPacket));
  peer.types();
  const channel = peer.channels[0];
  if (channel === undefined) throw new Error('no channel');
  return { ...peer, channel };
}
export const ask = (name: string, wantReply = true) =>
  new Writer().byte(MSG.GLOBAL_REQUEST).string(name).boolean(wantReply).bytes();
