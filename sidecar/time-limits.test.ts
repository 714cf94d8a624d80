import { expect, test } from 'vitest';
import { DEFAULT_POLICIES } from '../crds/session-policy.ts';
import { FakeClock } from '../lib/ssh/testing/fake-clock.ts';
import { TimeLimits } from './time-limits.ts';

const MINUTE = 60_000;

function start(seconds: { idle?: number; longest?: number; expiry?: number }) {
  const clock = new FakeClock();
  const log: string[] = [];
  const note = (what: string) => (sentence: string) => log.push(`${clock.now() / 1000}: ${what}: ${sentence}`);
  const policy = {
    ...DEFAULT_POLICIES.root,
    idleTimeoutSeconds: seconds.idle ?? 0,
    maxDurationSeconds: seconds.longest ?? 0,
  };
  const untilExpiryMs = seconds.expiry && seconds.expiry * 1000;
  const limits = new TimeLimits({ policy, untilExpiryMs, clock, warn: note('warn'), end: note('end') });
  return { clock, log, limits };
}

test('an idle connection is warned a minute before its end, and ended 15 s after the piper should have', () => {
  const { clock, log } = start({ idle: 1800 });
  clock.pass(60 * MINUTE);
  expect(log).toEqual([
    '1740: warn: nothing happens on this connection, and it ends in 60 s: type something to stay.',
    '1815: end: idle for 30 min',
  ]);
  expect(clock.waiting).toBe(0);
});

test('data restarts the idle time, and what has been warned is warned again', () => {
  const { clock, log, limits } = start({ idle: 1800 });
  for (let count = 0; count < 10; count++) {
    clock.pass(28 * MINUTE);
    limits.dataPassed();
  }
  expect(log).toEqual([]);
  clock.pass(29.5 * MINUTE);
  limits.dataPassed();
  expect(log.length).toBe(1);
  clock.pass(28 * MINUTE);
  expect(log.length).toBe(1);
  clock.pass(5 * MINUTE);
  expect(log.map((line) => line.split(':')[1])).toEqual([' warn', ' warn', ' end']);
});

test('where the whole time is short, the warning comes at half of it', () => {
  const { clock, log } = start({ idle: 20 });
  clock.pass(MINUTE);
  expect(log.map((line) => line.split(':', 2).join(':'))).toEqual(['10: warn', '35: end']);
});

test('the longest time does not care for data', () => {
  const { clock, log, limits } = start({ longest: 8 * 3600 });
  for (let count = 0; count < 9 * 60; count++) {
    limits.dataPassed();
    clock.pass(MINUTE);
  }
  expect(log).toEqual([
    '28740: warn: this connection ends in 60 s, for none may last longer than 8 h: save your work now.',
    '28815: end: no connection may last longer than 8 h',
  ]);
});

test('0 is no limit, and what has been stopped waits for nothing', () => {
  const unlimited = start({});
  expect(unlimited.clock.waiting).toBe(0);
  const { clock, log, limits } = start({ idle: 600, longest: 600 });
  limits.stop();
  clock.pass(60 * MINUTE);
  expect([clock.waiting, log]).toEqual([0, []]);
});

test('the end of the access is warned of, and left to the piper: it may have been put off', () => {
  const { clock, log } = start({ expiry: 3600 });
  clock.pass(120 * MINUTE);
  expect(log).toEqual(['3540: warn: your access ends in 60 s, unless it is extended: save your work now.']);
  expect(clock.waiting).toBe(0);
});
