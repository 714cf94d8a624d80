/** Health and metrics are reached by whole clusters: what somebody there does must not look like our death to the kubelet. */
import http from 'node:http';
import net from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { serveHttp } from './http-server.ts';
import { Shares } from './shares.ts';

/** On Linux all of 127.0.0.0/8 is ours to call from. */
const KUBELET = '127.0.0.1';
const MALLORY = '127.0.0.2';

async function serving(): Promise<number> {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  return await serveHttp({ port: 0, host: '127.0.0.1' }, { 'GET /livez': () => ({ text: 'ok\n' }) }, stop.signal);
}

/** @returns the status, or the code of the error */
function ask(port: number, localAddress: string, agent: http.Agent | false = false): Promise<number | string> {
  return new Promise((resolve) => {
    const request = http.get({ host: '127.0.0.1', port, path: '/livez', localAddress, agent }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    request.on('error', (error) => resolve(error.message));
  });
}

test('F9: who holds all connections, and begins them anew, keeps no probe out', async () => {
  const port = await serving();
  const sockets = new Set<net.Socket>();
  let isOver = false;
  onTestFinished(() => {
    isOver = true;
    for (const socket of sockets) socket.destroy();
  });
  const hold = (): void => {
    if (isOver) return;
    const socket = net.connect({ host: '127.0.0.1', port, localAddress: MALLORY });
    socket.on('error', () => undefined).resume();
    socket.once('close', () => {
      sockets.delete(socket);
      setTimeout(hold, 20);
    });
    sockets.add(socket);
  };
  for (let count = 0; count < 150; count++) hold();
  for (let probe = 0; probe < 10; probe++) expect(await ask(port, KUBELET)).toBe(200);
});

test('F9: who asks without end is told so, and nobody else', async () => {
  const port = await serving();
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  onTestFinished(() => agent.destroy());
  const answers = new Set<number | string>();
  // However slow the machine is, it answers more than fifty in a second.
  for (let round = 0; round < 20 && !answers.has(429); round++)
    for (const answer of await Promise.all(Array.from({ length: 500 }, () => ask(port, MALLORY, agent))))
      answers.add(answer);
  expect(answers).toEqual(new Set([200, 429]));
  expect(await ask(port, KUBELET)).toBe(200);
});

/** All that comes back before the connection ends, or the code of its error. */
function say(port: number, ...pieces: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true });
    let heard = '';
    socket.on('data', (bytes) => (heard += bytes.toString('latin1')));
    socket.on('error', () => undefined).once('close', () => resolve(heard));
    socket.once('end', () => socket.end());
    for (const piece of pieces) socket.write(piece);
  });
}
const QUESTION = 'GET /livez HTTP/1.1\r\nhost: x\r\n\r\n';
const answersIn = (text: string): number => text.split('HTTP/1.1 ').length - 1;

test('F9: a connection is one question, and what was sent beyond it costs nobody anything', async () => {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  let heard = 0;
  const livez = () => ({ text: `ok ${++heard}\n` });
  const port = await serveHttp({ port: 0, host: '127.0.0.1' }, { 'GET /livez': livez }, stop.signal);
  // What is left unread makes the kernel reset the connection, so the one answer may be lost.
  for (let round = 1; round <= 20; round++) {
    expect(answersIn(await say(port, QUESTION.repeat(10_000)))).toBeLessThanOrEqual(1);
    expect(heard).toBe(round);
  }
  expect(await ask(port, KUBELET)).toBe(200);
});

test('a question may come in pieces, and its end need not wait for the answer', async () => {
  const port = await serving();
  const answer = await say(port, ...QUESTION.split(''));
  expect(answer).toMatch(/^HTTP\/1\.1 200 \r\n(?:[a-z-]+: .*\r\n)+\r\nok\n$/);
  const halfClosed = net.connect({ host: '127.0.0.1', port }).end(QUESTION);
  const bytes: Buffer[] = [];
  for await (const some of halfClosed) bytes.push(Buffer.from(some));
  expect(Buffer.concat(bytes).toString('latin1')).toBe(answer);
});

test.each([
  ['no HTTP', 'SSH-2.0-OpenSSH_10.0\r\n\r\n'],
  ['a path with bytes that no path has', 'GET /\u00fc HTTP/1.1\r\n\r\n'],
  ['a version of long ago', 'GET /livez\r\n\r\n'],
  ['a head without an end', `GET /livez HTTP/1.1\r\n${'x: y\r\n'.repeat(3000)}`],
])('F9: hung up on: %s', async (_what, question) => {
  const port = await serving();
  expect(await say(port, question)).toBe('');
  expect(await ask(port, KUBELET)).toBe(200);
});

test('the place that holds the most loses what it has held longest; what was given back counts no more', () => {
  const shares = new Shares(10);
  const lost: string[] = [];
  const take = (place: string, name: string, amount = 1) => shares.take(place, amount, () => lost.push(name));
  const giveBack = take('a', 'a1', 4);
  take('b', 'b1', 3);
  take('b', 'b2', 2);
  take('c', 'c1', 1);
  expect(lost).toEqual([]);
  take('c', 'c2', 1);
  expect(lost).toEqual(['b1']);
  giveBack();
  giveBack();
  take('c', 'c3', 6);
  expect(lost).toEqual(['b1']);
  take('b', 'b3', 1);
  expect(lost).toEqual(['b1', 'c1']);
  take('d', 'd1', 100);
  expect(lost.at(-1)).toBe('d1');
});
