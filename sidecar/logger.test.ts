/** One vocabulary: what the two loggers write is the same. */
import { describe, expect, test } from 'vitest';
import { createLogger } from '../lib/process/logger.ts';
import { createLogger as createSidecarLogger } from './logger.ts';

const loggers = { pino: createLogger, 'the sidecar’s own': createSidecarLogger };

describe.each(Object.entries(loggers))('%s', (_which, create) => {
  function logTo(level?: string) {
    const lines: unknown[] = [];
    return { log: create('test', { level, write: (line) => lines.push(JSON.parse(line)) }), lines };
  }

  test('a line says when, how bad, who and what; a child adds to it; what is below the level is not written', () => {
    const { log, lines } = logTo('warn');
    log.info('not this');
    log.child({ connection: 'c-1' }).warn({ port: 22n }, 'refused');
    expect(lines).toEqual([
      { level: 'warn', time: expect.any(String), component: 'test', connection: 'c-1', port: '22', msg: 'refused' },
    ]);
    const silent = logTo('silent');
    silent.log.fatal('not this either');
    expect(silent.lines).toEqual([]);
  });

  test('secrets do not get into the log, however deep; errors do, with their causes', () => {
    const { log, lines } = logTo();
    const err = Object.assign(new Error('outer', { cause: new TypeError('inner') }), { code: 'ENOENT' });
    log.error({ err, config: { data: { key: 'x' }, nested: [{ privateKey: 'x' }] } }, 'failed');
    expect(lines).toMatchObject([
      {
        err: { type: 'Error', message: 'outer', code: 'ENOENT', cause: { type: 'TypeError', message: 'inner' } },
        config: { data: '***', nested: [{ privateKey: '***' }] },
      },
    ]);
  });

  test('what cannot be written as JSON costs its fields, not the program', () => {
    const { log, lines } = logTo();
    const config: Record<string, unknown> = { hostKey: 'x' };
    config['self'] = config;
    log.info({ username: 'alice', config }, 'odd');
    expect(lines).toMatchObject([{ msg: 'odd', username: 'alice', logProblem: expect.stringContaining('circular') }]);
    expect(JSON.stringify(lines)).not.toContain('hostKey');
  });
});
