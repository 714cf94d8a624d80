import { expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { ConfigError, parseEnvironment } from './config.ts';
import { serveHealth } from './health.ts';

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
