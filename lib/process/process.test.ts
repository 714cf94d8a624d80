import { expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { ConfigError, parseEnvironment } from './config.ts';
import { serveHealth } from './health.ts';
import { serveHttp } from './http-server.ts';

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
  await serveHealth(18_417, { ready: () => reason }, stop.signal);
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
