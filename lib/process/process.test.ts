import http from 'node:http';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { ConfigError, parseEnvironment } from './config.ts';
import { serveHealth } from './health.ts';
import { serveHttp } from './http-server.ts';
import { createLogger } from './logger.ts';
import { Metrics } from './metrics.ts';
import { serveProfiling } from './profiling.ts';

test('a wrong environment names every problem at once', () => {
  const schema = z.object({ PORT: z.coerce.number().int(), HOST: z.string() });
  const parse = () => parseEnvironment(schema, { PORT: 'x' });
  expect(parse).toThrow(ConfigError);
  expect(parse).toThrow(/PORT: .*\nHOST: /);
});

test('readyz says why the program is not ready', async () => {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  let reason: string | undefined = 'routes are not loaded yet';
  await serveHealth({ health: 18_417, profiling: 0 }, { ready: () => reason }, stop.signal);
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:18417/${path}`);
    return `${response.status} ${(await response.text()).trim()}`;
  };
  expect(await get('livez')).toBe('200 ok');
  expect(await get('readyz')).toBe('503 routes are not loaded yet');
  reason = undefined;
  expect(await get('readyz')).toBe('200 ok');
});

test('a question without a handler is answered with 404, one whose handler fails with 500, and the next is served', async () => {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const fails = (): never => {
    throw new Error('no such thing');
  };
  const handlers = { 'GET /things/*': (name: string) => ({ json: { name } }), 'GET /fails': fails } as const;
  const port = await serveHttp({ port: 0, host: '127.0.0.1' }, handlers, stop.signal);
  const get = async (path: string, method = 'GET') => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
    return `${response.status} ${(await response.text()).trim()}`;
  };
  expect(await get('/things/a%2Fb?c=/d')).toBe('200 {"name":"a%2Fb"}');
  expect(await get('/fails')).toBe('500 failed');
  expect(await get('/things/a', 'DELETE')).toMatch(/^404 /);
  expect(await get('//things/')).toMatch(/^404 /);
  expect(await get('/things')).toMatch(/^404 /);
});

test('metrics say which program and version this is, and whether it is ready', async () => {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  let reason: string | undefined = 'not yet';
  const metrics = new Metrics('tester');
  await serveHealth({ health: 18_418, profiling: 0 }, { ready: () => reason, metrics }, stop.signal);
  const read = async (): Promise<string> => (await fetch('http://127.0.0.1:18418/metrics')).text();
  expect(await read()).toContain('sshaccess_build_info{version="unbuilt",program="tester"} 1\n');
  expect(await read()).toContain('sshaccess_ready{program="tester"} 0\n');
  expect(await read()).toMatch(/^process_resident_memory_bytes\{program="tester"\} \d{7,}$/m);
  reason = undefined;
  expect(await read()).toContain('sshaccess_ready{program="tester"} 1\n');
  stop.abort();
  expect(await metrics.registry.metrics()).toContain('sshaccess_ready{program="tester"} 0\n');
});

test('F9: however many ask for metrics, from however many places, a page is made so often and no more', async () => {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const metrics = new Metrics('tester');
  let made = 0;
  metrics.gauge('sshaccess_made', 'Pages.', () => ++made);
  const began = performance.now();
  await serveHealth({ health: 18_420, profiling: 0 }, { ready: () => undefined, metrics }, stop.signal);
  const ask = (localAddress: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: 18_420, path: '/metrics', localAddress, agent: false };
      http.get(options, (response) => void text(response).then(resolve, reject)).on('error', reject);
    });
  for (let round = 0; round < 10; round++) {
    const pages = await Promise.all(Array.from({ length: 50 }, (_, place) => ask(`127.0.1.${place + 1}`)));
    for (const one of pages) expect(one).toMatch(/^sshaccess_made\{program="tester"\} \d+$/m);
  }
  // One place alone may ask 200 times at once; so many are made at once for all, and each 50 ms another.
  expect(made).toBeLessThanOrEqual(21 + (performance.now() - began) / 50);
});

test('a CPU profile is for who is on the loopback, one at a time, and nobody gets one on the health port', async () => {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const port = await serveProfiling(0, stop.signal, 300);
  const url = `http://127.0.0.1:${port}/debug/cpu-profile`;
  const [first, second] = await Promise.all([fetch(url), fetch(url)]);
  expect(new Set([first.status, second.status])).toEqual(new Set([200, 409]));
  const profile: unknown = await (first.status === 200 ? first : second).json();
  expect(profile).toMatchObject({ nodes: expect.any(Array), samples: expect.any(Array) });
  expect((await fetch(url)).status).toBe(200);
  await expect(fetch(`http://[::1]:${port}/debug/cpu-profile`)).rejects.toThrow();
  await serveHealth({ health: 18_419, profiling: 0 }, { ready: () => undefined }, stop.signal);
  expect((await fetch('http://127.0.0.1:18419/debug/cpu-profile')).status).toBe(404);
});

test('the compiler refuses a field that is not in the vocabulary, however it comes', () => {
  const lines: unknown[] = [];
  const log = createLogger('tester', { write: (line) => lines.push(JSON.parse(line)) });
  const fields = { port: 1, user: 'alice' };
  // @ts-expect-error
  log.info({ user: 'alice' }, 'written out');
  // @ts-expect-error
  log.info(fields, 'by a name');
  // @ts-expect-error
  log.info({ ...fields }, 'spread');
  // @ts-expect-error
  log.child({ user: 'alice' }).info('in a child');
  log.info({ port: 1 }, 'known');
  expect(lines).toHaveLength(5);
});
