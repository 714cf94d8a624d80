import { expect, test } from 'vitest';
import { InspectError, parseInspection } from './app-process.ts';
import { createAppTracker } from './app-tracker.ts';

const output = (blocks = 'environ 9\nA=1\0B=\n2\0\npasswd 0\n\ngroup 3\nx:y\n') =>
  Buffer.from(
    `pid 17\nstart 123456\nuid 1000\ngid 1000\ngroups 1000,2000\nnnp 1\ncapbnd 00000000a80425fb\ncwd /srv/app\n${blocks}`,
  );

test('an inspection is parsed, newlines within blocks included', () => {
  expect(parseInspection(output())).toEqual({
    pid: 17,
    start: 123_456,
    uid: 1000,
    gid: 1000,
    groups: [1000, 2000],
    noNewPrivs: true,
    capabilityBound: '00000000a80425fb',
    cwd: '/srv/app',
    environ: Buffer.from('A=1\0B=\n2\0'),
    passwd: Buffer.from(''),
    group: Buffer.from('x:y'),
  });
});

test('no groups is an empty list', () => {
  expect(parseInspection(Buffer.from(output().toString().replace('1000,2000', ''))).groups).toEqual([]);
});

const broken: [string, Buffer][] = [
  ['nothing', Buffer.alloc(0)],
  ['a length beyond the end', output('environ 99\nA=1\n')],
  ['a length too short', output('environ 1\nA=1\npasswd 0\n\ngroup 0\n\n')],
  ['something after the end', Buffer.concat([output(), Buffer.from('x')])],
  ['a missing block', output('environ 0\n\n')],
  ['a number that is none', Buffer.from(output().toString().replace('pid 17', 'pid 17x'))],
];
for (const [what, bytes] of broken)
  test(`${what} is refused`, () => {
    expect(() => parseInspection(bytes)).toThrow(InspectError);
  });

test('the tracker counts starts and searches only when the process is gone', async () => {
  const app = parseInspection(output());
  const world: { found: typeof app | undefined; inspections: number; now: number } = {
    found: undefined,
    inspections: 0,
    now: 0,
  };
  const tracker = createAppTracker({
    inspect: async () => {
      world.inspections++;
      return world.found ?? 'not-running';
    },
    startOf: async (pid) => (pid === world.found?.pid ? world.found.start : undefined),
    now: () => world.now,
    sleep: async () => undefined,
    firstStartMs: 0,
  });
  await tracker.poll();
  expect(tracker.history).toEqual({ starts: 0, lastSeen: undefined });
  world.found = app;
  for (world.now = 1; world.now < 5; world.now++) await tracker.poll();
  expect([world.inspections, tracker.history]).toEqual([2, { starts: 1, lastSeen: 4 }]);
  // The same pid, another process: a container's first process often has the same number again.
  world.found = { ...app, start: app.start + 1 };
  await tracker.poll();
  world.found = undefined;
  await tracker.poll();
  expect(await tracker.inspect()).toBe('not-running');
  expect(tracker.history).toEqual({ starts: 2, lastSeen: 5 });
});

test('an app that has not started yet is waited for, once; one that has ended is not', async () => {
  let [now, startsAt, endsAt] = [0, 2000, 3000];
  const app = parseInspection(output());
  const newTracker = () =>
    createAppTracker({
      inspect: async () => (now >= startsAt && now < endsAt ? app : 'not-running'),
      startOf: async () => undefined,
      now: () => now,
      sleep: async (ms) => (now += ms),
      firstStartMs: 5000,
    });
  const tracker = newTracker();
  expect(await tracker.inspect()).toBe(app);
  expect(now).toBe(2000);
  now = endsAt;
  expect(await tracker.inspect()).toBe('not-running');
  expect(now).toBe(endsAt);

  startsAt = Infinity;
  const other = newTracker();
  for (let attempt = 0; attempt < 2; attempt++) {
    expect(await other.inspect()).toBe('not-running');
    expect(now).toBe(endsAt + 5000);
  }
});

test('sessions that come while one waits share its looks, and none is for ever', async () => {
  let [now, inspections] = [0, 0];
  const tracker = createAppTracker({
    inspect: async () => {
      inspections++;
      if (inspections === 3) throw new InspectError('the helper is broken');
      return 'not-running';
    },
    startOf: async () => undefined,
    now: () => now,
    sleep: async (ms) => (now += ms),
    firstStartMs: 5000,
  });
  expect(tracker.pollMs()).toBe(1000);
  const outcomes = await Promise.allSettled([tracker.inspect(), tracker.inspect()]);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(inspections).toBe(3);
  expect(await Promise.all([tracker.inspect(), tracker.inspect()])).toEqual(['not-running', 'not-running']);
  expect(now).toBe(5000);
  expect(tracker.pollMs()).toBe(5000);
});

test('a container that is being created is waited for; one that stays closed is reported, and not waited for again', async () => {
  let [now, inspections, opensAt] = [0, 0, 500];
  const app = parseInspection(output());
  const tracker = createAppTracker({
    inspect: async () => {
      inspections++;
      return now >= opensAt ? app : 'not-permitted';
    },
    startOf: async () => undefined,
    now: () => now,
    sleep: async (ms) => (now += ms),
    firstStartMs: 5000,
  });
  expect(await tracker.inspect()).toBe(app);
  expect([now, inspections]).toEqual([600, 4]);

  opensAt = Infinity;
  expect(await tracker.inspect()).toBe('not-permitted');
  expect(now).toBe(10_600);
  inspections = 0;
  expect(await tracker.inspect()).toBe('not-permitted');
  expect([now, inspections]).toEqual([10_600, 1]);
});

test('before the app has been seen, its container may be in the making for as long as one that has not started', async () => {
  let [now, opensAt] = [0, 20_000];
  const app = parseInspection(output());
  const create = () =>
    createAppTracker({
      inspect: async () => (now >= opensAt ? app : 'not-permitted'),
      startOf: async () => undefined,
      now: () => now,
      sleep: async (ms) => (now += ms),
      firstStartMs: 30_000,
    });
  expect(await create().inspect()).toBe(app);
  [now, opensAt] = [0, Infinity];
  expect(await create().inspect()).toBe('not-permitted');
  expect(now).toBe(30_000);
});
