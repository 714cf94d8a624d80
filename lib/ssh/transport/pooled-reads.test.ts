import { once } from 'node:events';
import net from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { inBatch, BatchedOutput } from './batched-output.ts';
import { readPooled, type ReceiveChunk } from './pooled-reads.ts';
import { readBuffers } from './read-buffers.ts';

readBuffers.poisons = true;
vi.setConfig({ testTimeout: 60_000 });
const patiently = { timeout: 30_000 };
const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function connected(): Promise<{ near: net.Socket; far: net.Socket; server: net.Server }> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const accepted = new Promise<net.Socket>((resolve) => server.once('connection', resolve));
  const near = net.connect(address.port, '127.0.0.1');
  const far = await accepted;
  ends.push(() => {
    near.destroy();
    server.close();
  });
  return { near, far, server };
}

function pooled(socket: net.Socket, receive: ReceiveChunk): net.Socket {
  const own = readPooled(socket, receive);
  if (own === undefined) throw new Error('this Node does not let us');
  ends.push(() => own.destroy());
  return own;
}

/** Sends until what is written to `out` no longer leaves; returns what was sent. */
async function clog(near: net.Socket, own: net.Socket, out: net.Socket): Promise<Buffer[]> {
  const sent: Buffer[] = [];
  while (out.writableLength < 2 ** 21) {
    const piece = Buffer.from(Array.from({ length: 2 ** 20 }, (_, index) => (index * 31 + (index >> 9)) & 0xff));
    sent.push(piece);
    near.write(piece);
    await vi.waitFor(() => expect(own.bytesRead).toBe(near.bytesWritten), patiently);
  }
  return sent;
}

test('what was read before, and what comes later, arrive in order; so does the end', async () => {
  const { near, far } = await connected();
  near.write('early ');
  await once(far, 'readable');
  const chunks: string[] = [];
  const own = pooled(far, (chunk) => {
    chunks.push(chunk.toString());
    return 0;
  });
  const ended = once(own, 'end');
  near.end('late');
  await ended;
  expect(chunks.join('')).toBe('early late');
});

test('an idle socket has no large buffer, a busy one has, and gives it back', async () => {
  const { near, far } = await connected();
  const before = readBuffers.count;
  let received = 0;
  const own = pooled(far, (chunk) => {
    received += chunk.length;
    return 0;
  });
  near.write('hello');
  await vi.waitFor(() => expect(received).toBe(5), patiently);
  expect(readBuffers.count).toBe(before);
  near.write(Buffer.alloc(8 * 2 ** 20));
  await vi.waitFor(() => expect(received).toBe(5 + 8 * 2 ** 20), patiently);
  expect(readBuffers.count).toBeGreaterThan(before);
  near.write('x');
  await vi.waitFor(() => expect(received).toBe(6 + 8 * 2 ** 20), patiently);
  expect(own.bytesRead).toBe(received);
});

test('a rest comes again in front of what follows, whatever it is', async () => {
  const { near, far } = await connected();
  const sent = Buffer.from(Array.from({ length: 4 * 2 ** 20 }, (_, index) => (index * 7 + (index >> 8)) & 0xff));
  const got: Buffer[] = [];
  let length = 0;
  let turn = 0;
  pooled(far, (chunk, mostRest) => {
    const rest = Math.min(mostRest, chunk.length - 1, (++turn * 977) % 70_000);
    const used = Buffer.from(chunk.subarray(0, chunk.length - rest));
    got.push(used);
    length += used.length;
    return rest;
  });
  near.write(sent);
  // The last rest stays a rest until something follows.
  while (length < sent.length) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    near.write(Buffer.of(0));
  }
  expect(Buffer.concat(got).subarray(0, sent.length).equals(sent)).toBe(true);
});

test('what is written from a read buffer keeps it until it is on its way; the shared one is copied', async () => {
  const [from, to] = [await connected(), await connected()];
  const output = new BatchedOutput(to.far);
  const own = pooled(from.far, (chunk) => {
    inBatch(() => {
      // Piece by piece, as packets are; the peer of `to` reads nothing for now.
      for (let at = 0; at < chunk.length; at += 1000) output.write(chunk.subarray(at, at + 1000));
    });
    return 0;
  });
  const sent = await clog(from.near, own, to.far);
  // The peer of `to` still reads nothing: these wait, too.
  for (let index = 0; index < 20; index++) {
    sent.push(Buffer.alloc(50, index));
    from.near.write(Buffer.alloc(50, index));
    await vi.waitFor(() => expect(own.bytesRead).toBe(from.near.bytesWritten), patiently);
  }
  const got: Buffer[] = [];
  let received = 0;
  to.near.on('data', (chunk: Buffer) => {
    received += chunk.length;
    got.push(chunk);
  });
  await vi.waitFor(() => expect(received).toBe(own.bytesRead), patiently);
  expect(Buffer.concat(got).equals(Buffer.concat(sent))).toBe(true);
});

test('a connection that dies with writes under way gives its buffers back', async () => {
  const [from, to] = [await connected(), await connected()];
  to.far.on('error', () => undefined);
  const output = new BatchedOutput(to.far);
  const own = pooled(from.far, (chunk) => {
    inBatch(() => output.write(chunk));
    return 0;
  });
  await clog(from.near, own, to.far);
  expect(readBuffers.count).toBeGreaterThan(4);
  to.far.destroy();
  from.near.destroy();
  own.destroy();
  // Those that are free, and the last one of `own`, which nobody reads into any more.
  await vi.waitFor(() => expect(readBuffers.count).toBeLessThanOrEqual(12), patiently);
});

test('a server counts the connection until it closes', async () => {
  const { near, far, server } = await connected();
  const own = pooled(far, () => 0);
  const closed = once(server, 'close');
  server.close();
  near.destroy();
  own.resume();
  await once(own, 'close');
  await closed;
  expect(server.listening).toBe(false);
});

test('a connection that has ended is left as it is, and so is one that has not begun', async () => {
  expect(readPooled(new net.Socket(), () => 0)).toBeUndefined();
  const { near, far } = await connected();
  near.destroy();
  far.destroy();
  expect(readPooled(far, () => 0)).toBeUndefined();
});
