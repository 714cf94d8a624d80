import { expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { ConfigError, parseEnvironment } from './config.ts';
import { serveHealth } from './health.ts';
import { createLogger } from './logger.ts';

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

function logTo(level?: string) {
  const lines: unknown[] = [];
  return { log: createLogger('test', { level, write: (line) => lines.push(JSON.parse(line)) }), lines };
}

test('a line says when, how bad, who and what; a child adds to it; what is below the level is not written', () => {
  const { log, lines } = logTo('warn');
  log.info('not this');
  log.child({ connectionId: 'c-1' }).warn({ port: 22n }, 'refused');
  expect(lines).toEqual([
    { level: 'warn', time: expect.any(String), component: 'test', connectionId: 'c-1', port: '22', msg: 'refused' },
  ]);
  const silent = logTo('silent');
  silent.log.fatal('not this either');
  expect(silent.lines).toEqual([]);
});

test('secrets do not get into the log, however deep; errors do, with their causes', () => {
  const { log, lines } = logTo();
  const err = Object.assign(new Error('outer', { cause: new TypeError('inner') }), { code: 'ENOENT' });
  log.error({ err, secret: { data: { key: 'x' }, nested: [{ privateKey: 'x' }] } }, 'failed');
  expect(lines).toMatchObject([
    {
      err: { type: 'Error', message: 'outer', code: 'ENOENT', cause: { type: 'TypeError', message: 'inner' } },
      secret: { data: '***', nested: [{ privateKey: '***' }] },
    },
  ]);
});

test('what cannot be written as JSON costs its fields, not the program', () => {
  const { log, lines } = logTo();
  const circle: Record<string, unknown> = { user: 'alice', hostKey: 'x' };
  circle['self'] = circle;
  log.info(circle, 'odd');
  expect(lines).toMatchObject([{ msg: 'odd', user: 'alice', logProblem: expect.stringContaining('circular') }]);
  expect(JSON.stringify(lines)).not.toContain('hostKey');
});
