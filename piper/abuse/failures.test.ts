import { expect, test } from 'vitest';
import { Networks } from '../arrival/networks.ts';
import { type Ban, type FailureLimits, Failures } from './failures.ts';

const MINUTE = 60_000;
const LIMITS: FailureLimits = {
  failuresPerSource: 10,
  failuresPerSourceAndUser: 6,
  failureWindowMs: 10 * MINUTE,
  banMs: 15 * MINUTE,
};
const [HERE, THERE] = ['192.0.2.1', '192.0.2.2'];

function rig(limits: Partial<FailureLimits> = {}, exempt = '') {
  const banned: Ban[] = [];
  const clock = { time: 1_000_000 };
  const failures = new Failures({
    limits: { ...LIMITS, ...limits },
    exempt: new Networks(exempt),
    now: () => clock.time,
    onBan: (ban) => void banned.push(ban),
  });
  const fail = (times: number, address: string, username: string): void => {
    for (let count = 0; count < times; count++) failures.failed(address, username);
  };
  return { failures, banned, clock, fail };
}

test('A10: six failures ban the address from that username, and from no other; other addresses go on', () => {
  const { failures, banned, fail } = rig();
  fail(5, HERE, 'acme-web');
  expect(failures.isBannedFrom(HERE, 'acme-web')).toBe(false);
  fail(1, HERE, 'acme-web');
  expect(failures.isBannedFrom(HERE, 'acme-web')).toBe(true);
  expect(failures.isBannedFrom(HERE, 'acme-api')).toBe(false);
  expect(failures.isBannedFrom(THERE, 'acme-web')).toBe(false);
  expect(failures.isBanned(HERE)).toBe(false);
  expect(banned).toMatchObject([{ source: HERE, username: 'acme-web', failures: 6 }]);
});

test('A10: an address that tries many usernames is banned from all', () => {
  const { failures, banned, fail } = rig();
  for (let user = 0; user < 10; user++) fail(1, HERE, `acme-${user}`);
  expect(failures.isBanned(HERE)).toBe(true);
  expect(failures.isBanned(THERE)).toBe(false);
  expect(banned).toEqual([{ id: '1', source: HERE, failures: 10, since: 1_000_000, until: 1_000_000 + LIMITS.banMs }]);
});

test('one customer of IPv6 is one source', () => {
  const { failures, fail } = rig();
  for (let host = 1; host <= 10; host++) fail(1, `2001:db8:1:2::${host}`, `acme-${host}`);
  expect(failures.isBanned('2001:db8:1:2:ffff::1')).toBe(true);
  expect(failures.isBanned('2001:db8:1:3::1')).toBe(false);
});

test('failures are forgotten, and bans end', () => {
  const { failures, clock, fail } = rig();
  fail(5, HERE, 'acme-web');
  clock.time += LIMITS.failureWindowMs;
  fail(5, HERE, 'acme-web');
  expect(failures.isBannedFrom(HERE, 'acme-web')).toBe(false);
  fail(1, HERE, 'acme-web');
  expect(failures.bans()).toHaveLength(1);
  clock.time += LIMITS.banMs;
  expect(failures.isBannedFrom(HERE, 'acme-web')).toBe(false);
  expect(failures.bans()).toEqual([]);
  // It begins anew, and not where it was.
  fail(5, HERE, 'acme-web');
  expect(failures.isBannedFrom(HERE, 'acme-web')).toBe(false);
});

test('a login clears the username, and not the address', () => {
  const { failures, fail } = rig();
  fail(5, HERE, 'acme-web');
  failures.succeeded(HERE, 'acme-web');
  fail(4, HERE, 'acme-web');
  expect(failures.isBannedFrom(HERE, 'acme-web')).toBe(false);
  fail(1, HERE, 'acme-api');
  expect(failures.isBanned(HERE)).toBe(true);
});

test('a ban can be lifted', () => {
  const { failures, fail } = rig();
  fail(6, HERE, 'acme-web');
  const [ban] = failures.bans();
  expect(failures.lift('no such')).toBe(false);
  expect(failures.lift(ban?.id ?? '')).toBe(true);
  expect(failures.isBannedFrom(HERE, 'acme-web')).toBe(false);
});

test('exempt networks are never banned', () => {
  const { failures, banned, fail } = rig({}, '192.0.2.0/31');
  fail(100, HERE, 'acme-web');
  expect([failures.isBanned(HERE), failures.isBannedFrom(HERE, 'acme-web'), banned.length]).toEqual([false, false, 0]);
});

test('a flood of sources is bounded: the oldest are forgotten', () => {
  const { failures, fail } = rig({ failuresPerSource: 1 });
  for (let source = 0; source < 12_000; source++) fail(1, `10.0.${source >> 8}.${source & 255}`, 'acme-web');
  expect(failures.bans()).toHaveLength(10_000);
  expect(failures.isBanned('10.0.0.0')).toBe(false);
  expect(failures.isBanned('10.0.46.223')).toBe(true);
});
