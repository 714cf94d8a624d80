/** F2: what somebody who reaches the webhook's port, as most of a cluster may, can take from the API server. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { createLogger } from '../lib/process/logger.ts';
import { WebhookMetrics } from './metrics.ts';
import { TooManyQuestions } from './questions.ts';
import { admissionServer } from './server.ts';
import { readCertificate } from './serving-certificate.ts';

/** On Linux all of 127.0.0.0/8 is ours to call from. */
const API_SERVER = '127.0.0.1';
const MALLORY = '127.0.0.2';
const MIB = 1024 * 1024;

const folder = mkdtempSync(join(tmpdir(), 'sshaccess-webhook-'));
const metrics = new WebhookMetrics();
const lines: string[] = [];
const log = createLogger('webhook', { write: (line) => void lines.push(line) });
let port = 0;
let flooded = 0;
let server: ReturnType<typeof admissionServer>;

beforeAll(async () => {
  const files = ['-keyout', join(folder, 'tls.key'), '-out', join(folder, 'tls.crt')];
  const options = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '1',
    '-subj',
    '/CN=webhook',
  ];
  execFileSync('openssl', ['req', '-x509', ...options, ...files], { stdio: 'ignore' });
  server = admissionServer(await readCertificate(folder), {
    answer: async ({ uid, namespace, object }) => {
      if (namespace === 'flood') flooded++;
      if (namespace === 'crowded') throw new TooManyQuestions('too many questions');
      const record = { namespace, pod: z.string().parse(object), dryRun: false, decision: 'unchanged' as const };
      return { response: { uid, allowed: true }, record };
    },
    isStopping: () => false,
    clientCA: '',
    metrics,
    log,
  });
  await server.listen({ port: 0, host: '127.0.0.1' });
  port = z.object({ port: z.int() }).parse(server.server.address()).port;
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

function bodyOf({ namespace = 'acme', pod = 'web' }): string {
  const request = { uid: 'u', kind: { version: 'v1', kind: 'Pod' }, operation: 'CREATE', namespace, object: pod };
  return JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request });
}

/** An AdmissionReview, and the status that it is answered with. */
function review(about: { namespace?: string; pod?: string } = {}, agent: https.Agent | false = false): Promise<number> {
  const body = bodyOf(about);
  return new Promise((resolve, reject) => {
    const call = https.request({
      host: '127.0.0.1',
      port,
      localAddress: API_SERVER,
      path: '/mutate-pods',
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      rejectUnauthorized: false,
      agent,
    });
    call.on('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    call.on('error', reject);
    call.end(body);
  });
}

const fromMallory = (localAddress = MALLORY) => ({ host: '127.0.0.1', port, localAddress });

async function mallory(from?: string): Promise<TLSSocket> {
  const socket = connect({ socket: net.connect(fromMallory(from)), rejectUnauthorized: false });
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  await Promise.race([once(socket, 'secureConnect'), once(socket, 'close')]);
  return socket;
}

async function cutOff(because: string): Promise<number> {
  const found = await metrics.registry.getSingleMetric('sshaccess_webhook_callers_cut_off_total')?.get();
  return found?.values.find(({ labels }) => labels['because'] === because)?.value ?? 0;
}

test('F2: halves of large bodies are not kept for as many as send them, and the API server is answered', async () => {
  const headers = `POST /mutate-pods HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${7 * MIB}\r\n\r\n`;
  const half = Buffer.alloc(3 * MIB, ' ');
  const sockets: TLSSocket[] = [];
  for (let count = 0; count < 10; count++) {
    const socket = await mallory();
    socket.write(headers);
    socket.write(half);
    sockets.push(socket);
    await expect.poll(async () => await cutOff('bytes'), { timeout: 20_000 }).toBe(Math.max(0, count - 1));
    expect(await review()).toBe(200);
  }
  await expect
    .poll(() => sockets.map(({ closed }) => closed), { timeout: 20_000 })
    .toEqual([...Array.from({ length: 8 }, () => true), false, false]);
});

test('F2: who says not how much they send may send as much as anybody', async () => {
  const before = await cutOff('bytes');
  const sockets: TLSSocket[] = [];
  for (let count = 0; count < 4; count++) {
    const socket = await mallory();
    socket.write(
      `POST /mutate-pods HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    sockets.push(socket);
  }
  await expect.poll(async () => (await cutOff('bytes')) - before, { timeout: 20_000 }).toBeGreaterThanOrEqual(2);
  expect(await review()).toBe(200);
});

test('F2: connections without end push out each other, and not the API server; those that are over count no more', async () => {
  const before = await cutOff('connections');
  for (let count = 0; count < 20; count++) (await mallory()).destroy();
  // Without a word of TLS: that they are there is enough.
  const sockets = Array.from({ length: 600 }, () => net.connect(fromMallory()));
  const open = (): number => sockets.filter(({ closed }) => !closed).length;
  onTestFinished(() => sockets.forEach((socket) => void socket.destroy()));
  for (const socket of sockets) socket.on('error', () => undefined).resume();
  await expect
    .poll(async () => (await cutOff('connections')) - before, { timeout: 20_000 })
    .toBeGreaterThanOrEqual(100);
  await expect.poll(open, { timeout: 20_000 }).toBeLessThanOrEqual(500);
  expect(open()).toBeGreaterThan(450);
  expect(await review()).toBe(200);
});

test('F2: a name that no pod can have is not written out', async () => {
  expect(await review({ pod: 'x'.repeat(MIB) })).toBe(200);
  expect(lines.at(-1)?.length).toBeLessThan(1_000);
});

test('F2: what there is no room for is counted, and leaves no line each', async () => {
  const before = lines.length;
  expect(await review({ namespace: 'crowded' })).toBe(503);
  expect(lines.length).toBe(before);
});

test.each([
  ['reviews', 'POST /mutate-pods', bodyOf({ namespace: 'flood' })],
  ['what is no review', 'GET /', ''],
])(
  'F2: who asks %s on many connections, without waiting for answers, is kept out, and not worked for',
  async (_, line, body) => {
    const before = await cutOff('pipelined');
    flooded = 0;
    const length = body === '' ? '' : `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
    const request = `${line} HTTP/1.1\r\nHost: x\r\n${length}\r\n${body}`;
    // Of an address of its own: it will be kept out.
    const from = body === '' ? '127.0.0.3' : '127.0.0.4';
    const sockets = await Promise.all(Array.from({ length: 100 }, () => mallory(from)));
    for (const socket of sockets) socket.resume().write(request.repeat(500));
    await expect.poll(() => sockets.filter((socket) => !socket.closed).length, { timeout: 20_000 }).toBe(0);
    expect((await cutOff('pipelined')) - before).toBe(1);
    // Of 50,000: what one connection may ask at once, and what some of the others had asked by then.
    expect(flooded).toBeLessThan(500);
    expect(await review()).toBe(200);
  },
);

test('who waits for each answer asks on one connection as often as they like', async () => {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const before = await cutOff('pipelined');
  for (let count = 0; count < 100; count++) expect(await review({}, agent)).toBe(200);
  expect(Object.values(agent.freeSockets)).toHaveLength(1);
  expect(await cutOff('pipelined')).toBe(before);
});
