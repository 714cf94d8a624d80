/** B4: how often those who have logged in may make us exchange keys. */
import { expect, test } from 'vitest';
import { FakeClock } from '../lib/ssh/testing/fake-clock.ts';
import { RekeyRate } from './rekey-rate.ts';
import { keys, startRig } from './testing/rig.ts';

function rateOf() {
  const clock = { time: 0 };
  const rate = new RekeyRate(() => clock.time);
  const admitted = (username: string, times: number): number =>
    Array.from({ length: times }, () => rate.admit(username)).filter(Boolean).length;
  return { clock, admitted };
}

test('B4: a user has so many at once and so many more in a second, and takes none of the others', () => {
  const { clock, admitted } = rateOf();
  expect([admitted('mallory', 1_000), admitted('alice', 10)]).toEqual([64, 10]);
  clock.time += 10_000;
  expect([admitted('mallory', 1_000), admitted('alice', 10)]).toEqual([10, 10]);
});

test('B4: many users together do not have as many times as much', () => {
  const { clock, admitted } = rateOf();
  const ofAll = (): number =>
    Array.from({ length: 64 }, (_, user) => admitted(`mallory-${user}`, 64)).reduce((sum, count) => sum + count);
  expect(ofAll()).toBe(256);
  clock.time += 1_000;
  expect(ofAll()).toBe(32);
  // Half of it is for those who have had none.
  clock.time += 10_000;
  expect(ofAll()).toBeLessThan(256);
});

test('B4: users who keep to their own rate, and together use up that of all, cut off nobody who asks now and then', () => {
  const { clock, admitted } = rateOf();
  const seconds = Array.from({ length: 600 }, (_, second) => {
    clock.time += 1_000;
    const many = Array.from({ length: 100 }, (__, user) => admitted(`mallory-${user}`, 1));
    return { spent: many.reduce((sum, count) => sum + count), others: second % 20 === 0 ? admitted('alice', 1) : 1 };
  });
  expect(seconds.slice(60).some(({ spent }) => spent < 100)).toBe(true);
  expect(seconds.filter(({ others }) => others === 0)).toEqual([]);
});

test('B4: what a connection may do, many of the same user may not do all at once', async () => {
  const rig = await startRig({ clock: new FakeClock() });
  const clients = await Promise.all(Array.from({ length: 4 }, () => rig.login('acme-hello-dev', keys.bob)));
  let exchanges = 0;
  for (const client of clients) {
    for (let count = 0; count < 30 && !client.link.transport.closed; count++) {
      client.link.transport.rekey();
      await expect
        .poll(() => client.link.transport.closed || !client.link.transport.isExchangingKeys, {
          timeout: 20_000,
          interval: 5,
        })
        .toBe(true);
      if (!client.link.transport.closed) exchanges++;
    }
  }
  expect(exchanges).toBe(64);
  expect(clients.slice(0, 2).map(({ link }) => link.transport.closed)).toEqual([false, false]);
  expect(clients.at(-1)?.link.transport.closed).toBe(true);
});
