import { expect, test } from 'vitest';
import { MSG } from '../numbers.ts';
import { ask, data, nothing, open, request, withRawPeer } from '../testing/raw-peer.ts';
import { Writer } from '../wire.ts';
import { MAX_PENDING_REQUESTS } from './limits.ts';

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('answers that take time keep the order of the requests, and may carry data', async () => {
  const slow = new Map<string, (answer: boolean | Buffer) => void>();
  const { connection, sent } = withRawPeer({
    onGlobalRequest: (name) => (name === 'now' ? true : new Promise((resolve) => slow.set(name, resolve))),
  });
  for (const [name, wantReply] of Object.entries({ first: true, now: true, silent: false, second: true }))
    connection.receive(ask(name, wantReply));
  slow.get('second')?.(false);
  slow.get('silent')?.(true);
  await settled();
  expect(sent).toEqual([]);
  slow.get('first')?.(Buffer.of(0, 0, 0x1f, 0x90));
  await settled();
  expect(sent).toEqual([
    Buffer.of(MSG.REQUEST_SUCCESS, 0, 0, 0x1f, 0x90),
    Buffer.of(MSG.REQUEST_SUCCESS),
    Buffer.of(MSG.REQUEST_FAILURE),
  ]);
});

test('of requests whose answers take time only so many may wait, and none is answered after the end', async () => {
  const answers: ((answer: boolean) => void)[] = [];
  const { connection, sent } = withRawPeer({ onGlobalRequest: () => new Promise((resolve) => answers.push(resolve)) });
  for (let count = 0; count < MAX_PENDING_REQUESTS; count++) connection.receive(ask('slow', count % 2 === 0));
  expect(() => connection.receive(ask('slow', false))).toThrow(/too many requests/);
  connection.close();
  for (const answer of answers) answer(true);
  await settled();
  expect(sent).toEqual([]);
});

test('a request whose work fails is refused, not forgotten', async () => {
  const { connection, sent } = withRawPeer({ onGlobalRequest: () => Promise.reject(new Error('no')) });
  connection.receive(ask('slow'));
  await settled();
  expect(sent).toEqual([Buffer.of(MSG.REQUEST_FAILURE)]);
});

test('channel requests wait for each other too, and are not answered after CLOSE', async () => {
  const slow: ((answer: boolean) => void)[] = [];
  const { connection, types, events, channels } = withRawPeer({
    onChannelOpen: (pending) =>
      pending.accept((channel) => ({
        ...events(channel),
        onRequest: ({ type }) => type === 'good' || new Promise((resolve) => slow.push(resolve)),
      })),
  });
  connection.receive(open());
  for (const type of ['slow', 'good', 'slow']) connection.receive(request(type, true));
  expect(types()).toEqual([MSG.CHANNEL_OPEN_CONFIRMATION]);
  slow[0]?.(false);
  await settled();
  expect(types()).toEqual([MSG.CHANNEL_FAILURE, MSG.CHANNEL_SUCCESS]);
  channels[0]?.close();
  slow[1]?.(true);
  await settled();
  expect(types()).toEqual([MSG.CHANNEL_CLOSE]);
});

test('a channel of ours has the window that its owner gives it', async () => {
  const { connection, sent, events } = withRawPeer();
  void connection.open('forwarded-tcpip', nothing, events, 50_000);
  expect(sent[0]?.readUInt32BE(1 + 4 + 15 + 4)).toBe(50_000);
  connection.receive(
    new Writer().byte(MSG.CHANNEL_OPEN_CONFIRMATION).uint32(0).uint32(7).uint32(9).uint32(999).bytes(),
  );
  await settled();
  connection.receive(data(30_000));
  expect(() => connection.receive(data(30_000))).toThrow(/exceeds the window/);
});
