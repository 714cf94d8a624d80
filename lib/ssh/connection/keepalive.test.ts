import { expect, test } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import { Keepalive } from './keepalive.ts';

const MINUTE = 60_000;

function start() {
  const clock = new FakeClock();
  const log: string[] = [];
  const keepalive = new Keepalive({
    clock,
    intervalMs: MINUTE,
    maxUnanswered: 3,
    ask: () => void log.push(`ask at ${clock.now() / MINUTE}`),
    onGone: () => void log.push(`gone at ${clock.now() / MINUTE}`),
  });
  return { clock, log, keepalive };
}

test('a peer that never answers is asked three times, and then it is gone', () => {
  const { clock, log } = start();
  clock.pass(100 * MINUTE);
  expect(log).toEqual(['ask at 1', 'ask at 2', 'ask at 3', 'gone at 4']);
  expect(clock.waiting).toBe(0);
});

test('a peer that speaks is not asked, and one that answers is asked again each minute', () => {
  const { clock, log, keepalive } = start();
  for (let count = 0; count < 100; count++) {
    clock.pass(MINUTE / 2);
    keepalive.heard();
  }
  expect(log).toEqual([]);
  clock.pass(2.5 * MINUTE);
  keepalive.heard();
  clock.pass(MINUTE);
  expect(log).toEqual(['ask at 51', 'ask at 52', 'ask at 53.5']);
});

test('what has been stopped does nothing more', () => {
  const { clock, log, keepalive } = start();
  keepalive.stop();
  clock.pass(10 * MINUTE);
  expect([log, clock.waiting]).toEqual([[], 0]);
});
