import { expect, test } from 'vitest';
import { SshError } from '../errors.ts';
import { MSG, OPEN_FAILURE } from '../numbers.ts';
import {
  adjust,
  ask,
  data,
  forChannel,
  nothing,
  open,
  request,
  withChannel,
  withRawPeer,
} from '../testing/raw-peer.ts';
import { Reader, Writer } from '../wire.ts';
import { exitStatus } from './channel-requests.ts';
import { RECEIVE_MAX_PACKET, RECEIVE_WINDOW, SEND_MAX_PACKET } from './limits.ts';

test('a channel open is confirmed with our window and maximum packet size', () => {
  const { connection, sent } = withRawPeer();
  connection.receive(open());
  const fields = new Reader(sent[0] ?? nothing);
  expect([fields.byte(), fields.uint32(), fields.uint32(), fields.uint32(), fields.uint32()]).toEqual([
    MSG.CHANNEL_OPEN_CONFIRMATION,
    7,
    0,
    RECEIVE_WINDOW,
    RECEIVE_MAX_PACKET,
  ]);
});

test('data goes out only as far as window and maximum packet size allow, the rest after an adjustment', () => {
  const { connection, channel, sent, log } = withChannel(700, 300);
  expect(channel.write(Buffer.alloc(1000, 1))).toBe(false);
  expect(sent.splice(0).map((message) => message.length - 9)).toEqual([300, 300, 100]);
  connection.receive(adjust(10_000));
  expect(sent.splice(0).map((message) => message.length - 9)).toEqual([300]);
  expect(log).toEqual(['writable']);
  expect(channel.write(Buffer.alloc(10))).toBe(true);
});

test('a peer that takes enormous packets gets none larger than our own limit', () => {
  const { channel, sent } = withChannel(2 ** 32 - 1, 2 ** 32 - 1);
  channel.write(Buffer.alloc(3 * SEND_MAX_PACKET));
  expect(sent.map((message) => message.length - 9)).toEqual([SEND_MAX_PACKET, SEND_MAX_PACKET, SEND_MAX_PACKET]);
});

test('nothing is read from a source while the socket is full, whatever the window', () => {
  const { connection, channel, link, sent, log } = withChannel(2 ** 32 - 1);
  link.blocked = true;
  expect(channel.write(Buffer.alloc(10))).toBe(false);
  expect(sent).toEqual([]);
  link.blocked = false;
  connection.drained();
  expect(sent.length).toBe(1);
  expect(log).toEqual(['writable']);
});

test('EOF, exit-status and CLOSE wait for the data before them', () => {
  const { connection, channel, types } = withChannel(5);
  channel.write(Buffer.alloc(10));
  channel.write(Buffer.alloc(3), true);
  channel.eof();
  channel.notify('exit-status', exitStatus(7));
  channel.close();
  expect(types()).toEqual([MSG.CHANNEL_DATA]);
  connection.receive(adjust(100));
  const { CHANNEL_DATA, CHANNEL_EXTENDED_DATA, CHANNEL_EOF, CHANNEL_REQUEST, CHANNEL_CLOSE } = MSG;
  expect(types()).toEqual([CHANNEL_DATA, CHANNEL_EXTENDED_DATA, CHANNEL_EOF, CHANNEL_REQUEST, CHANNEL_CLOSE]);
});

test('the window opens only as its owner takes the data', () => {
  const { connection, channel, types, sent } = withChannel();
  for (let received = 0; received < RECEIVE_WINDOW; received += RECEIVE_MAX_PACKET)
    connection.receive(data(RECEIVE_MAX_PACKET));
  expect(types()).toEqual([]);
  channel.taken(RECEIVE_WINDOW);
  expect(sent).toEqual([forChannel(MSG.CHANNEL_WINDOW_ADJUST, 7).uint32(RECEIVE_WINDOW).bytes()]);
});

test('B6: data beyond the window ends the connection', () => {
  const { connection } = withChannel();
  for (let received = 0; received < RECEIVE_WINDOW; received += RECEIVE_MAX_PACKET)
    connection.receive(data(RECEIVE_MAX_PACKET));
  expect(() => connection.receive(data(1))).toThrow(/exceeds the window/);
});

const violations: [string, Buffer[]][] = [
  ['a packet beyond the maximum size', [data(RECEIVE_MAX_PACKET + 1)]],
  ['data for a channel that does not exist', [data(1, 9)]],
  ['data after EOF', [forChannel(MSG.CHANNEL_EOF).bytes(), data(1)]],
  ['closing twice', [forChannel(MSG.CHANNEL_CLOSE).bytes(), forChannel(MSG.CHANNEL_CLOSE).bytes()]],
  ['a window beyond 2^32 - 1', [adjust(2 ** 32 - 1)]],
  ['a reply to no channel request', [forChannel(MSG.CHANNEL_SUCCESS).bytes()]],
  ['a reply to no global request', [Buffer.of(MSG.REQUEST_FAILURE)]],
  ['a confirmation of no opening', [forChannel(MSG.CHANNEL_OPEN_CONFIRMATION, 5).uint32(1).bytes()]],
  ['a truncated message', [Buffer.of(MSG.CHANNEL_DATA, 0, 0)]],
  ['bytes after the end', [Buffer.concat([data(1), Buffer.alloc(1)])]],
];
for (const [what, messages] of violations) {
  test(`${what} ends the connection`, () => {
    const { connection } = withChannel();
    const receiveAll = () => messages.forEach((message) => connection.receive(message));
    expect(receiveAll).toThrow(SshError);
  });
}

test('a second EOF is no offence: x/crypto/ssh sends one for each CloseWrite', () => {
  const { connection, log } = withChannel();
  connection.receive(forChannel(MSG.CHANNEL_EOF).bytes());
  connection.receive(forChannel(MSG.CHANNEL_EOF).bytes());
  expect(log).toEqual(['eof']);
});

test('a peer that takes no data at all in a packet gets no channel', () => {
  for (const maxPacket of [0, 1, 255]) {
    const { connection, types, channels } = withRawPeer();
    connection.receive(open(7, 1000, maxPacket));
    expect([types(), channels]).toEqual([[MSG.CHANNEL_OPEN_FAILURE], []]);
  }
});

test('B6: channels are limited, those being opened included; 100,000 opens leave nothing behind', () => {
  const { connection, sent, channels } = withRawPeer({ onChannelOpen: () => undefined });
  for (let remote = 0; remote < 100_000; remote++) connection.receive(open(remote));
  expect([sent.length, channels.length, connection.channelCount]).toEqual([100_000 - 3, 0, 0]);
  expect(sent[0]?.readUInt32BE(5)).toBe(OPEN_FAILURE.RESOURCE_SHORTAGE);
});

test('a closed channel makes room for another', () => {
  const { connection, channels, types } = withRawPeer();
  for (let round = 0; round < 100; round++) {
    connection.receive(open());
    connection.receive(forChannel(MSG.CHANNEL_CLOSE).bytes());
  }
  expect([channels.length, connection.channelCount]).toEqual([100, 0]);
  expect(types().filter((type) => type === MSG.CHANNEL_CLOSE).length).toBe(100);
});

test('requests are answered in order, unknown ones with failure, and those that want no reply not at all', () => {
  const { connection, types, log } = withChannel();
  for (const type of ['good', 'bad', 'good']) connection.receive(request(type, true));
  connection.receive(request('bad', false));
  expect(types()).toEqual([MSG.CHANNEL_SUCCESS, MSG.CHANNEL_FAILURE, MSG.CHANNEL_SUCCESS]);
  expect(log).toEqual(['good', 'bad', 'good', 'bad']);
});

test('global requests are answered in order, keepalives with failure', () => {
  const { connection, types } = withRawPeer();
  connection.receive(ask('keepalive@openssh.com'));
  connection.receive(ask('good'));
  connection.receive(ask('bad', false));
  expect(types()).toEqual([MSG.REQUEST_FAILURE, MSG.REQUEST_SUCCESS]);
});

test('B6: a peer that asks without reading the answers is not read from until it does', () => {
  const { connection, link, sent } = withChannel();
  link.blocked = true;
  let asked = 0;
  while (!link.paused && asked < 1_000_000) {
    connection.receive(request('bad', true));
    asked++;
  }
  expect(asked).toBeLessThan(2000);
  expect(sent.length).toBeLessThan(2000);
  link.blocked = false;
  connection.drained();
  expect(link.paused).toBe(false);
});

test('channel data alone never stops our reading', () => {
  const { connection, link, channel } = withChannel();
  link.blocked = true;
  channel.write(Buffer.alloc(100));
  for (let count = 0; count < 1000; count++) connection.receive(data(100));
  expect(link.paused).toBe(false);
});

test('eow@openssh.com stops our data but not the exit status', () => {
  const { connection, channel, types, log } = withChannel(0);
  channel.write(Buffer.alloc(100));
  connection.receive(request('eow@openssh.com', false));
  expect(channel.write(Buffer.alloc(100))).toBe(true);
  channel.notify('exit-status', exitStatus(0));
  expect(types()).toEqual([MSG.CHANNEL_REQUEST]);
  expect(log).toEqual(['writable', 'end of write']);
});

test('a consumer that is gone says eow@openssh.com once and drops what comes', () => {
  const { connection, channel, types, log } = withChannel();
  channel.discard();
  channel.discard();
  for (let received = 0; received < 3 * RECEIVE_WINDOW; received += RECEIVE_MAX_PACKET)
    connection.receive(data(RECEIVE_MAX_PACKET));
  expect(log).toEqual([]);
  expect(types().slice(0, 2)).toEqual([MSG.CHANNEL_REQUEST, MSG.CHANNEL_WINDOW_ADJUST]);
});

test('stderr data from a peer is counted and dropped', () => {
  const { connection, types } = withChannel();
  const piece = forChannel(MSG.CHANNEL_EXTENDED_DATA).uint32(1).string(Buffer.alloc(RECEIVE_MAX_PACKET)).bytes();
  for (let received = 0; received < 2 * RECEIVE_WINDOW; received += RECEIVE_MAX_PACKET) connection.receive(piece);
  expect(new Set(types())).toEqual(new Set([MSG.CHANNEL_WINDOW_ADJUST]));
});

test('nothing is sent on a channel after CLOSE', () => {
  const { connection, channel, types } = withChannel();
  channel.close();
  channel.eof();
  channel.write(Buffer.alloc(1));
  channel.discard();
  for (let count = 0; count < 64; count++) connection.receive(data(RECEIVE_MAX_PACKET));
  connection.receive(request('good', true));
  connection.receive(forChannel(MSG.CHANNEL_EOF).bytes());
  connection.receive(forChannel(MSG.CHANNEL_CLOSE).bytes());
  expect(types()).toEqual([MSG.CHANNEL_CLOSE]);
  expect(connection.channelCount).toBe(0);
});

test('unknown messages are answered as unimplemented', () => {
  const { connection, types } = withRawPeer();
  connection.receive(Buffer.of(101));
  expect(types()).toEqual([MSG.UNIMPLEMENTED]);
});

test('an answer to an opening that comes after the end of the connection is dropped', () => {
  let answer = (): void => undefined;
  const { connection, types, events } = withRawPeer({
    onChannelOpen: (pending) => (answer = () => (pending.settled ? undefined : pending.accept(events))),
  });
  connection.receive(open());
  connection.close();
  answer();
  expect(types()).toEqual([]);
});

test('both roles: a channel opened by one connection and served by another', async () => {
  const server = withRawPeer();
  const client = withRawPeer();
  const settle = () => {
    while (server.sent.length + client.sent.length > 0) {
      client.sent.splice(0).forEach((message) => server.connection.receive(message));
      server.sent.splice(0).forEach((message) => client.connection.receive(message));
    }
  };
  const opening = client.connection.open('session', nothing, client.events);
  settle();
  const channel = await opening;
  const answers = Promise.all([channel.request('good', nothing), channel.request('bad', nothing)]);
  const global = client.connection.request('good', nothing);
  channel.write(Buffer.alloc(100_000));
  channel.eof();
  settle();
  expect(await answers).toEqual([true, false]);
  expect(await global).toBe(true);
  expect(server.log).toEqual(['good', 'bad', 'data 32768', 'data 32768', 'data 32768', 'data 1696', 'eof']);
  channel.close();
  const pending = channel.request('good', nothing);
  settle();
  expect(await pending).toBe(false);
  expect([server.connection.channelCount, client.connection.channelCount]).toEqual([0, 0]);
});

test('the end of the connection fails what is pending', async () => {
  const { connection, channel, log } = withChannel();
  const pending = Promise.all([channel.request('x', nothing), connection.request('x', nothing)]);
  const opening = connection.open('session', nothing, () => {
    throw new Error('never');
  });
  connection.close();
  expect(await pending).toEqual([false, false]);
  await expect(opening).rejects.toThrow(SshError);
  expect(log).toEqual(['close']);
});

/** The same numbers every time (mulberry32). */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

test('B5: whatever comes, in whatever order, only an SshError ends the connection', () => {
  const random = randomNumbers(4254);
  const well = [
    open(),
    data(10),
    request('good', true),
    request('eow@openssh.com', false),
    adjust(1000),
    forChannel(MSG.CHANNEL_EOF).bytes(),
    forChannel(MSG.CHANNEL_CLOSE).bytes(),
    new Writer().byte(MSG.GLOBAL_REQUEST).string('good').boolean(true).bytes(),
  ];
  let ended = 0;
  for (let round = 0; round < 3000; round++) {
    const { connection } = withRawPeer();
    try {
      for (let step = 0; step < 20; step++) {
        const message = Buffer.from(well[random(well.length)] ?? nothing);
        if (random(4) === 0) message[random(message.length)] = random(256);
        connection.receive(random(8) === 0 ? message.subarray(0, 1 + random(message.length)) : message);
      }
    } catch (error) {
      expect(error).toBeInstanceOf(SshError);
      ended++;
    }
    connection.close();
    expect(connection.channelCount).toBe(0);
  }
  expect(ended).toBeGreaterThan(1000);
});
