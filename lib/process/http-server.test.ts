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
