import { expect, test } from 'vitest';
import { SshError } from '../../lib/ssh/errors.ts';
import { MSG } from '../../lib/ssh/numbers.ts';
import { Reader, Writer } from '../../lib/ssh/wire.ts';
import * as say from '../testing/messages.ts';
import { everything, limited, setUp } from '../testing/filter-rig.ts';

test('a session opens, is asked for an exec, and closes, all untouched', () => {
  const { filter, client, pod, begun, raw } = setUp();
  const toPod = [
    say.channelOpen('session', 3),
    say.channelRequest(40, 'env', false, Buffer.concat([say.text('LANG'), say.text('C.UTF-8')])),
    say.channelRequest(40, 'exec', true, say.text("printf 'a\\0b' | sha256sum")),
    say.channelData(40, 'x'.repeat(1000)),
    say.short(MSG.CHANNEL_EOF, 40),
    say.short(MSG.CHANNEL_CLOSE, 40),
  ];
  const toClient = [
    say.confirmation(3, 40),
    say.short(MSG.CHANNEL_SUCCESS, 3),
    say.channelRequest(3, 'exit-status', false, Buffer.alloc(4)),
    say.short(MSG.CHANNEL_CLOSE, 3),
  ];
  const [open, ...rest] = toPod;
  const [confirm, ...replies] = toClient;
  filter.fromClient(open ?? Buffer.alloc(0));
  filter.fromPod(confirm ?? Buffer.alloc(0));
  for (const payload of rest.slice(0, -1)) filter.fromClient(payload);
  for (const payload of replies) filter.fromPod(payload);
  filter.fromClient(rest.at(-1) ?? Buffer.alloc(0));
  expect(Buffer.concat(raw.pod).equals(Buffer.concat(toPod))).toBe(true);
  expect(Buffer.concat(raw.client).equals(Buffer.concat(toClient))).toBe(true);
  expect(begun).toEqual(['session', 'exec']);
  expect([client().length, pod().length]).toEqual([4, 6]);
});

test('a forwarded connection is no session: exec on it is refused', () => {
  const { filter, open, client, pod } = setUp();
  open(3, 40, say.directTcpip(3, '127.0.0.1', 80));
  filter.fromClient(say.channelRequest(40, 'exec', true, say.text('id')));
  expect([client(), pod()]).toEqual([['CHANNEL_FAILURE 3'], []]);
});

test('D2: a refused global request is answered in its turn, after those still under way', () => {
  const { filter, client } = setUp();
  filter.fromClient(say.globalRequest('keepalive@openssh.com', true));
  filter.fromClient(say.globalRequest('tcpip-forward', true));
  filter.fromClient(say.globalRequest('keepalive@openssh.com', true));
  filter.fromClient(say.globalRequest('made-up', true));
  expect(client()).toEqual([]);
  filter.fromPod(Buffer.from([MSG.REQUEST_SUCCESS]));
  expect(client()).toEqual(['REQUEST_SUCCESS', 'REQUEST_FAILURE']);
  filter.fromPod(Buffer.from([MSG.REQUEST_SUCCESS]));
  expect(client()).toEqual(['REQUEST_SUCCESS', 'REQUEST_FAILURE']);
  filter.fromClient(say.globalRequest('made-up', true));
  expect(client()).toEqual(['REQUEST_FAILURE']);
});

test('D2: a refused channel request is answered in its turn, channel by channel', () => {
  const { filter, open, client } = setUp();
  open(1, 41);
  open(2, 42);
  filter.fromClient(say.channelRequest(41, 'pty-req', true));
  filter.fromClient(say.channelRequest(41, 'x11-req', true));
  filter.fromClient(say.channelRequest(41, 'shell', true));
  filter.fromClient(say.channelRequest(42, 'x11-req', true));
  expect(client()).toEqual(['CHANNEL_FAILURE 2']);
  filter.fromPod(say.short(MSG.CHANNEL_SUCCESS, 1));
  expect(client()).toEqual(['CHANNEL_SUCCESS 1', 'CHANNEL_FAILURE 1']);
  filter.fromPod(say.short(MSG.CHANNEL_SUCCESS, 1));
  expect(client()).toEqual(['CHANNEL_SUCCESS 1']);
});

test('sessions are counted while they are open, whichever end closes', () => {
  const { filter, open, client, pod } = setUp(limited);
  open(1, 41);
  filter.fromClient(say.channelOpen('session', 2));
  filter.fromClient(say.channelOpen('session', 3));
  expect([client(), pod()]).toEqual([['CHANNEL_OPEN_FAILURE 3 1'], ['CHANNEL_OPEN session 2']]);
  filter.fromPod(Buffer.concat([say.short(MSG.CHANNEL_OPEN_FAILURE, 2), Buffer.alloc(12)]));
  open(3, 43);
  filter.fromClient(say.short(MSG.CHANNEL_CLOSE, 41));
  filter.fromClient(say.channelOpen('session', 4));
  expect(client()).toEqual(['CHANNEL_OPEN_FAILURE 4 1']);
  filter.fromPod(say.short(MSG.CHANNEL_CLOSE, 1));
  // RFC 4254 §5.3: both have closed, so the numbers are free again.
  open(1, 41);
});

test('sessions of the user on other connections count, too', () => {
  const { elsewhere, fromClient, refused } = setUp(limited);
  elsewhere.sessions = 1;
  expect(fromClient(say.channelOpen('session', 1)).pod).toHaveLength(1);
  expect(fromClient(say.channelOpen('session', 2)).client).toEqual(['CHANNEL_OPEN_FAILURE 2 1']);
  expect(refused).toEqual(['session: maxSessions']);
  elsewhere.sessions = 0;
  expect(fromClient(say.channelOpen('session', 2)).pod).toHaveLength(1);
});

test('B6: ten thousand channel opens leave 256 entries', () => {
  const { filter, client, pod } = setUp();
  for (let number = 0; number < 10_000; number++) filter.fromClient(say.directTcpip(number, '127.0.0.1', 80));
  expect(pod().length).toBe(256);
  expect(new Set(client().map((line) => line.split(' ').at(-1)))).toEqual(new Set(['4']));
});

test('B6: requests that nobody answers end the connection instead of growing', () => {
  const { filter } = setUp();
  expect(() => {
    for (let count = 0; count < 300; count++) filter.fromClient(say.globalRequest('keepalive@openssh.com', true));
  }).toThrow('too many requests wait');
});

test('B6: maximum packet size: 0 ends the connection, more than 256 KiB becomes 256 KiB, less stays', () => {
  const { filter, raw } = setUp();
  expect(() => filter.fromClient(say.channelOpen('session', 1, undefined, 0))).toThrow('maximum packet size 0');
  const message = say.channelOpen('session', 1, undefined, 0xffff_ffff);
  filter.fromClient(message);
  filter.fromPod(say.confirmation(1, 41, 1_000_000));
  const maxPacket = (payload: Buffer | undefined, offset: number) => payload && new Reader(payload, offset).uint32();
  expect(maxPacket(raw.pod[0], 20)).toBe(262_144);
  expect(maxPacket(raw.client[0], 13)).toBe(262_144);
  filter.fromClient(say.channelOpen('session', 2, undefined, 100_000));
  expect(maxPacket(raw.pod[1], 20)).toBe(100_000);
});

test.each([
  ['a request for a channel that is not open', say.channelRequest(9, 'exec', true, say.text('id'))],
  ['a close of a channel that is not open', say.short(MSG.CHANNEL_CLOSE, 9)],
  ['a confirmation', say.confirmation(9, 9)],
  ['an open failure', say.short(MSG.CHANNEL_OPEN_FAILURE, 9)],
  ['a reply to nothing', Buffer.from([MSG.REQUEST_SUCCESS])],
  ['an authentication message', Buffer.from([MSG.USERAUTH_REQUEST])],
  ['an unknown message', Buffer.from([199])],
  ['a truncated message', Buffer.from([MSG.CHANNEL_OPEN, 0, 0, 0])],
  ['an empty message', Buffer.alloc(0)],
])('%s from a client ends the connection', (_what, payload) => {
  const { filter, pod } = setUp();
  expect(() => filter.fromClient(payload)).toThrow(expect.objectContaining({ code: 'protocol' }));
  expect(pod()).toEqual([]);
});

test.each([
  ['a confirmation of a channel that nobody opened', say.confirmation(9, 9)],
  ['a second confirmation', say.confirmation(1, 77)],
  ['a reply to nothing', Buffer.from([MSG.REQUEST_SUCCESS])],
  ['a channel reply to nothing', say.short(MSG.CHANNEL_SUCCESS, 1)],
  ['a close of a channel that is not open', say.short(MSG.CHANNEL_CLOSE, 9)],
  ['USERAUTH_SUCCESS', Buffer.from([MSG.USERAUTH_SUCCESS])],
  ['a truncated message', Buffer.from([MSG.CHANNEL_CLOSE, 0, 0])],
])('%s from a pod ends the connection', (_what, payload) => {
  const { filter, open, client } = setUp();
  open(1, 41);
  expect(() => filter.fromPod(payload)).toThrow(expect.objectContaining({ code: 'protocol' }));
  expect(client()).toEqual([]);
});

test('a channel number opened twice ends the connection', () => {
  const { filter } = setUp();
  filter.fromClient(say.channelOpen('session', 1));
  expect(() => filter.fromClient(say.channelOpen('session', 1))).toThrow('opened twice');
});

test('random messages never throw anything but a protocol error', () => {
  let seed = 0x5eed;
  const random = (below: number) => (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) % below;
  const types = [...Object.values(MSG).filter((number) => number >= 80), 199];
  const fresh = () => {
    const { filter, open, forget } = setUp(everything);
    open(1, 41);
    return { filter, forget };
  };
  let { filter, forget } = fresh();
  for (let round = 0; round < 20_000; round++) {
    const payload = new Writer().byte(types[random(types.length)] ?? 80);
    for (let field = random(6); field > 0; field--) payload.uint32(random(3) === 0 ? random(2 ** 32) : random(48));
    const bytes = payload.bytes().subarray(0, 1 + random(payload.bytes().length));
    try {
      if (random(2) === 0) filter.fromClient(bytes);
      else filter.fromPod(bytes);
      forget();
    } catch (error) {
      if (!(error instanceof SshError && error.code === 'protocol')) throw error;
      ({ filter, forget } = fresh());
    }
  }
});
