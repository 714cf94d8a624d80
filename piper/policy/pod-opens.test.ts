/** What a pod may open towards the client: only what the client has asked for on this connection and got. */
import { expect, test } from 'vitest';
import type { SessionPolicy } from '../../crds/index.ts';
import { MSG } from '../../lib/ssh/numbers.ts';
import { Writer } from '../../lib/ssh/wire.ts';
import { everything, setUp } from '../testing/filter-rig.ts';
import * as say from '../testing/messages.ts';

const listening = (address: string, port: number): Buffer => new Writer().string(address).uint32(port).bytes();
const forwardedTcpip = (number: number, address: string, port: number): Buffer =>
  say.channelOpen('forwarded-tcpip', number, Buffer.concat([listening(address, port), listening('::1', 9)]));
const forwardedSocket = (number: number, path: string): Buffer =>
  say.channelOpen('forwarded-streamlocal@openssh.com', number, Buffer.concat([say.text(path), say.text('')]));
const x11Open = (number: number): Buffer => say.channelOpen('x11', number, listening('::1', 9));
const agentOpen = (number: number): Buffer => say.channelOpen('auth-agent@openssh.com', number);
const forward = (address: string, port: number) => say.globalRequest('tcpip-forward', true, listening(address, port));
const cancel = (address: string, port: number) =>
  say.globalRequest('cancel-tcpip-forward', false, listening(address, port));
const SUCCESS = Buffer.of(MSG.REQUEST_SUCCESS);
const FAILURE = Buffer.of(MSG.REQUEST_FAILURE);
const x11Request = (channel: number, single: boolean, wantReply = true): Buffer => {
  const fields = new Writer().boolean(single).string('MIT-MAGIC-COOKIE-1').string('00').uint32(0);
  return say.channelRequest(channel, 'x11-req', wantReply, fields.bytes());
};

/** True where the client sees it; else the pod is told no, and the client nothing. */
function passes(rig: ReturnType<typeof setUp>, open: Buffer, number: number): boolean {
  const { client, pod } = rig.fromPod(open);
  if (client.length === 1) {
    expect(pod).toEqual([]);
    // It is gone again, so that each question stands for itself.
    rig.fromClient(Buffer.concat([say.short(MSG.CHANNEL_OPEN_FAILURE, number), Buffer.alloc(12)]));
    return true;
  }
  expect({ client, pod }).toEqual({ client: [], pod: [`CHANNEL_OPEN_FAILURE ${number} 1`] });
  return false;
}

test.each<[string, Partial<SessionPolicy>]>([
  ['that allows everything', {}],
  [
    'that allows nothing',
    { remoteForwarding: 'none', socketForwarding: false, agentForwarding: false, x11Forwarding: false },
  ],
])('D7: a pod opens nothing uninvited, with a policy %s', (_which, policy) => {
  const rig = setUp({ ...everything, ...policy });
  rig.open(3, 40);
  const opens = [forwardedTcpip(5, '', 80), forwardedSocket(5, '/s'), agentOpen(5), x11Open(5)];
  for (const type of ['session', 'direct-tcpip', 'direct-streamlocal@openssh.com', 'tun@openssh.com', 'made-up'])
    opens.push(say.channelOpen(type, 5, listening('::1', 80)));
  for (const open of opens) expect(passes(rig, open, 5)).toBe(false);
  expect(rig.begun).toEqual(['session']);
});

test('D4, D7: a forwarded port: from its confirmation to its cancel, and no other address or port', () => {
  const rig = setUp(everything);
  rig.fromClient(forward('localhost', 8080));
  expect(passes(rig, forwardedTcpip(5, 'localhost', 8080), 5)).toBe(false);
  expect(rig.fromPod(SUCCESS).client).toEqual(['REQUEST_SUCCESS']);
  expect(passes(rig, forwardedTcpip(5, 'localhost', 8080), 5)).toBe(true);
  for (const [address, port] of [
    ['localhost', 8081],
    ['127.0.0.1', 8080],
    ['', 8080],
    ['localhost\0', 8080],
  ] as const)
    expect(passes(rig, forwardedTcpip(5, address, port), 5)).toBe(false);
  expect(rig.fromClient(cancel('localhost', 8080)).pod).toEqual(['GLOBAL_REQUEST cancel-tcpip-forward']);
  expect(passes(rig, forwardedTcpip(5, 'localhost', 8080), 5)).toBe(false);
});

test('a forward that the pod refuses is none', () => {
  const rig = setUp(everything);
  rig.fromClient(forward('localhost', 8080));
  rig.fromPod(FAILURE);
  expect(passes(rig, forwardedTcpip(5, 'localhost', 8080), 5)).toBe(false);
});

test('port 0: the port is the one that the pod confirms', () => {
  const rig = setUp(everything);
  rig.fromClient(forward('', 0));
  rig.fromClient(forward('', 9000));
  rig.fromPod(Buffer.concat([SUCCESS, new Writer().uint32(41_000).bytes()]));
  rig.fromPod(SUCCESS);
  for (const [port, expected] of [
    [0, false],
    [41_000, true],
    [9000, true],
    [41_001, false],
  ] as const)
    expect(passes(rig, forwardedTcpip(5, '', port), 5)).toBe(expected);
  rig.fromClient(cancel('', 41_000));
  expect(passes(rig, forwardedTcpip(5, '', 41_000), 5)).toBe(false);
  expect(passes(rig, forwardedTcpip(5, '', 9000), 5)).toBe(true);
});

test.each([
  ['no port', Buffer.alloc(0)],
  ['port 0', new Writer().uint32(0).bytes()],
  ['port 65536', new Writer().uint32(65_536).bytes()],
])('a pod that confirms port 0 with %s breaks the protocol', (_what, payload) => {
  const rig = setUp(everything);
  rig.fromClient(forward('', 0));
  expect(() => rig.fromPod(Buffer.concat([SUCCESS, payload]))).toThrow(expect.objectContaining({ code: 'protocol' }));
});

test('a cancel that overtakes the confirmation counts', () => {
  const rig = setUp(everything);
  rig.fromClient(forward('localhost', 8080));
  rig.fromClient(cancel('localhost', 8080));
  rig.fromPod(SUCCESS);
  expect(passes(rig, forwardedTcpip(5, 'localhost', 8080), 5)).toBe(false);
});

test('a forwarded socket, by its path', () => {
  const rig = setUp(everything);
  rig.fromClient(say.globalRequest('streamlocal-forward@openssh.com', true, say.text('/tmp/s')));
  expect(passes(rig, forwardedSocket(5, '/tmp/s'), 5)).toBe(false);
  rig.fromPod(SUCCESS);
  expect(passes(rig, forwardedSocket(5, '/tmp/s'), 5)).toBe(true);
  expect(passes(rig, forwardedSocket(5, '/tmp/s2'), 5)).toBe(false);
  expect(passes(rig, forwardedTcpip(5, '/tmp/s', 0), 5)).toBe(false);
  rig.fromClient(say.globalRequest('cancel-streamlocal-forward@openssh.com', true, say.text('/tmp/s')));
  expect(passes(rig, forwardedSocket(5, '/tmp/s'), 5)).toBe(false);
});

test('D10: sixteen forwards and no more; a cancelled or refused one makes room', () => {
  const rig = setUp(everything);
  for (let port = 1; port <= 16; port++) expect(rig.fromClient(forward('', port)).pod).toHaveLength(1);
  expect(rig.fromClient(forward('', 17)).pod).toEqual([]);
  rig.fromClient(cancel('', 1));
  expect(rig.fromClient(forward('', 17)).pod).toHaveLength(1);
  expect(rig.fromClient(forward('', 18)).pod).toEqual([]);
  // The answers to 1 and 2, and those of our own to 17 and 18 come after all that were passed on before them.
  rig.fromPod(SUCCESS);
  rig.fromPod(FAILURE);
  expect(rig.fromClient(forward('', 18)).pod).toHaveLength(1);
  expect(rig.refused).toEqual(['tcpip-forward: too-many']);
});

test.each([true, false])(
  'D7: the agent: when a session has asked for it and got it (with a reply: %s)',
  (wantReply) => {
    const rig = setUp(everything);
    rig.open(3, 40);
    rig.fromClient(say.channelRequest(40, 'auth-agent-req@openssh.com', wantReply));
    // What wants no reply is granted by passing.
    expect(passes(rig, agentOpen(5), 5)).toBe(!wantReply);
    if (wantReply) rig.fromPod(say.short(MSG.CHANNEL_SUCCESS, 3));
    expect(passes(rig, agentOpen(5), 5)).toBe(true);
    expect(passes(rig, agentOpen(6), 6)).toBe(true);
    expect(passes(rig, x11Open(7), 7)).toBe(false);
    rig.fromClient(say.short(MSG.CHANNEL_CLOSE, 40));
    rig.fromPod(say.short(MSG.CHANNEL_CLOSE, 3));
    expect(passes(rig, agentOpen(5), 5)).toBe(false);
  },
);

test('an agent that was refused, by the pod or by the policy, is not opened', () => {
  const rig = setUp(everything);
  rig.open(3, 40);
  rig.fromClient(say.channelRequest(40, 'auth-agent-req@openssh.com', true));
  rig.fromPod(say.short(MSG.CHANNEL_FAILURE, 3));
  expect(passes(rig, agentOpen(5), 5)).toBe(false);
  const without = setUp({ ...everything, agentForwarding: false });
  without.open(3, 40);
  without.fromClient(say.channelRequest(40, 'auth-agent-req@openssh.com', false));
  expect(passes(without, agentOpen(5), 5)).toBe(false);
});

test('X11: as long as the session that asked for it is open', () => {
  const rig = setUp(everything);
  rig.open(3, 40);
  rig.open(4, 41);
  rig.fromClient(x11Request(40, false));
  expect(passes(rig, x11Open(5), 5)).toBe(false);
  rig.fromPod(say.short(MSG.CHANNEL_SUCCESS, 3));
  expect(passes(rig, x11Open(5), 5)).toBe(true);
  expect(passes(rig, x11Open(6), 6)).toBe(true);
  rig.fromClient(say.short(MSG.CHANNEL_CLOSE, 40));
  expect(passes(rig, x11Open(5), 5)).toBe(false);
});

test('D7: X11 for a single connection: one, whatever comes of it', () => {
  const rig = setUp(everything);
  rig.open(3, 40);
  rig.fromClient(x11Request(40, true, false));
  expect(passes(rig, x11Open(5), 5)).toBe(true);
  expect(passes(rig, x11Open(5), 5)).toBe(false);
});

test('D7: a pod that opens and opens uninvited is cut off', () => {
  const rig = setUp(everything);
  for (let count = 0; count < 64; count++) rig.fromPod(x11Open(count));
  expect(() => rig.fromPod(x11Open(64))).toThrow(expect.objectContaining({ code: 'protocol' }));
  expect(rig.client()).toEqual([]);
});

/** A rig on which the pod has opened its channel 5, which is 9 to the client. */
function withForwarded() {
  const rig = setUp(everything);
  rig.fromClient(forward('', 80));
  rig.fromPod(SUCCESS);
  rig.fromPod(forwardedTcpip(5, '', 80));
  rig.fromClient(say.confirmation(5, 9));
  rig.forget();
  return rig;
}

test('a channel of the pod carries data, requests, replies and closes both ways', () => {
  const rig = withForwarded();
  expect(rig.fromPod(say.channelData(9, 'x')).client).toEqual(['CHANNEL_DATA 9']);
  expect(rig.fromClient(say.channelData(5, 'x')).pod).toEqual(['CHANNEL_DATA 5']);
  expect(rig.fromPod(say.channelRequest(9, 'keepalive@openssh.com', true)).client).toHaveLength(1);
  expect(rig.fromPod(say.channelRequest(9, 'exit-status', true)).pod).toEqual([]);
  // Ours waits for the client's.
  expect(rig.fromClient(say.short(MSG.CHANNEL_FAILURE, 5)).pod).toEqual(['CHANNEL_FAILURE 5', 'CHANNEL_FAILURE 5']);
  expect(rig.fromClient(say.channelRequest(5, 'exec', true, say.text('id')))).toEqual({
    client: ['CHANNEL_FAILURE 9'],
    pod: [],
  });
  expect(rig.fromPod(say.short(MSG.CHANNEL_CLOSE, 9)).client).toEqual(['CHANNEL_CLOSE 9']);
  expect(rig.fromClient(say.short(MSG.CHANNEL_CLOSE, 5)).pod).toEqual(['CHANNEL_CLOSE 5']);
  // Both numbers are free.
  rig.fromPod(forwardedTcpip(5, '', 80));
  rig.fromClient(say.confirmation(5, 9));
});

test('numbers are those of each end: the same one on both sides is no collision', () => {
  const rig = withForwarded();
  rig.open(5, 9);
  expect(rig.fromClient(say.short(MSG.CHANNEL_CLOSE, 9)).pod).toEqual(['CHANNEL_CLOSE 9']);
  expect(rig.fromClient(say.short(MSG.CHANNEL_CLOSE, 5)).pod).toEqual(['CHANNEL_CLOSE 5']);
  expect(rig.fromPod(say.short(MSG.CHANNEL_CLOSE, 9)).client).toEqual(['CHANNEL_CLOSE 9']);
  expect(rig.fromPod(say.short(MSG.CHANNEL_CLOSE, 5)).client).toEqual(['CHANNEL_CLOSE 5']);
});

test.each<[string, 'fromClient' | 'fromPod', Buffer]>([
  ['the client confirms what nobody opened', 'fromClient', say.confirmation(6, 10)],
  ['the client confirms twice', 'fromClient', say.confirmation(5, 10)],
  ['the client refuses what it has confirmed', 'fromClient', say.short(MSG.CHANNEL_OPEN_FAILURE, 5)],
  ['the client opens a number that it has given away', 'fromClient', say.channelOpen('session', 9)],
  ['the client replies to nothing', 'fromClient', say.short(MSG.CHANNEL_SUCCESS, 5)],
  ['the client addresses it by its own number', 'fromClient', say.short(MSG.CHANNEL_CLOSE, 9)],
  ['the pod confirms its own channel', 'fromPod', say.confirmation(9, 5)],
  ['the pod opens a number again', 'fromPod', forwardedTcpip(5, '', 80)],
  ['the pod replies to nothing', 'fromPod', say.short(MSG.CHANNEL_SUCCESS, 9)],
  ['the pod offers packets of no size', 'fromPod', say.channelOpen('x11', 6, Buffer.alloc(8), 0)],
])('%s: the connection ends', (_what, from, payload) => {
  const rig = withForwarded();
  expect(() => rig[from](payload)).toThrow(expect.objectContaining({ code: 'protocol' }));
  expect([rig.client(), rig.pod()]).toEqual([[], []]);
});

test('D10: 256 channels of both ends together', () => {
  const rig = setUp(everything);
  rig.fromClient(forward('', 80));
  rig.fromPod(SUCCESS);
  for (let number = 0; number < 128; number++) {
    expect(rig.fromClient(say.directTcpip(number, '::1', 80)).pod).toHaveLength(1);
    expect(rig.fromPod(forwardedTcpip(1000 + number, '', 80)).client).toHaveLength(1);
  }
  expect(rig.fromClient(say.directTcpip(500, '::1', 80)).client).toEqual(['CHANNEL_OPEN_FAILURE 500 4']);
  // Invited, so it is no flood, however often.
  for (let count = 0; count < 100; count++)
    expect(rig.fromPod(forwardedTcpip(500, '', 80)).pod).toEqual(['CHANNEL_OPEN_FAILURE 500 4']);
});
