import { PassThrough, Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { MSG } from '../numbers.ts';
import { Reader } from '../wire.ts';
import { Channel } from './channel.ts';
import { RECEIVE_WINDOW } from './limits.ts';
import { sendFrom, Sink } from './streams.ts';

function makeChannel(window: number) {
  const sent: Buffer[] = [];
  const transport = {
    send: (payload: Uint8Array) => void sent.push(Buffer.from(payload)),
    unimplemented: () => undefined,
  };
  const link = { transport, blocked: false, pause: () => undefined, resume: () => undefined };
  const channel = new Channel(link, { local: 0, remote: 0, window, maxPacket: 32_768 }, RECEIVE_WINDOW);
  const bytes = () =>
    sent.filter((message) => message[0] === MSG.CHANNEL_DATA).reduce((sum, it) => sum + it.length - 9, 0);
  return { channel, sent, bytes };
}

test('a source is read only while the channel can send', async () => {
  const { channel, bytes } = makeChannel(100_000);
  let read = 0;
  const source = new PassThrough({ highWaterMark: 1024 });
  const ends: string[] = [];
  const pump = sendFrom(source, channel, { stderr: false, onEnd: () => ends.push('end') });
  channel.listen({
    onData: () => undefined,
    onEof: () => undefined,
    onRequest: () => false,
    onWritable: pump.resume,
    onClose: () => undefined,
  });
  for (let count = 0; count < 1000; count++) {
    if (source.writableNeedDrain) break;
    source.write(Buffer.alloc(50_000));
    read += 50_000;
    await turn();
  }
  expect(bytes()).toBe(100_000);
  expect(read).toBeLessThan(400_000);
  const adjustment = new Reader(Buffer.of(0, 1, 0x86, 0xa0));
  channel.receive(MSG.CHANNEL_WINDOW_ADJUST, adjustment);
  await turn();
  expect(bytes()).toBe(200_000);
  source.destroy();
  await turn();
  expect(ends).toEqual(['end']);
});

test('a sink opens the window as its stream takes the data, and keeps many small pieces as one', async () => {
  const { channel, sent } = makeChannel(0);
  const taken: { length: number; done: () => void }[] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => void taken.push({ length: chunk.length, done }),
  });
  const sink = new Sink(channel);
  for (let count = 0; count < 1000; count++) sink.write(Buffer.from('x'));
  sink.attach(stream);
  for (let count = 0; count < RECEIVE_WINDOW - 1000; count += 2 ** 15)
    sink.write(Buffer.alloc(Math.min(2 ** 15, RECEIVE_WINDOW - 1000 - count)));
  sink.end();
  expect(taken.map(({ length }) => length)).toEqual([1000]);
  expect(sent).toEqual([]);
  taken[0]?.done();
  await turn();
  expect(taken[1]?.length).toBe(RECEIVE_WINDOW - 1000);
  taken[1]?.done();
  await turn();
  expect(sent.map((message) => message[0])).toEqual([MSG.CHANNEL_WINDOW_ADJUST]);
  expect(stream.writableEnded).toBe(true);
});

test('a sink whose stream fails disposes of the data', async () => {
  const { channel, sent } = makeChannel(0);
  const stream = new Writable({ write: (_chunk, _encoding, done) => done(new Error('gone')) });
  stream.on('error', () => undefined);
  const sink = new Sink(channel);
  sink.attach(stream);
  for (let count = 0; count < 10; count++) {
    sink.write(Buffer.alloc(2 ** 18));
    await turn();
  }
  expect(sent.length).toBeGreaterThan(1);
});
