/** B5: whatever a client sends, it ends that client's connection at most; in process, with a pod behind it. */
import { expect, test, vi } from 'vitest';
import { DEFAULT_POLICIES, type RouteUser } from '../crds/index.ts';
import { MSG } from '../lib/ssh/numbers.ts';
import { Networks } from './arrival/networks.ts';
import { fuzz, Witness } from './testing/fuzz/fuzzer.ts';
import { STAGES, type Target } from './testing/fuzz/hostile-connection.ts';
import { heapInUse } from './testing/heap.ts';
import { channelData, channelOpen } from './testing/messages.ts';
import type { RawClient } from './testing/raw-client.ts';
import { keys, startRig, type Rig } from './testing/rig.ts';

const SEED = 20_261_121;
const AT_ONCE = 32;
const ADDRESSES = ['127.0.0.11', '127.0.0.12', '127.0.0.13'];
const BYSTANDER = 'acme-hello-dev';
/** Several, as a user has at most 64 sessions. */
const USERNAMES = Array.from({ length: 8 }, (_, index) => `acme-fuzz-${index}`);
const PATIENCE = { timeout: 300_000 };
const POLL = { timeout: 60_000, interval: 50 };
/** What a thousand connections may leave reachable: a leak of 8 KiB a connection would show. */
const MOST_GROWTH = 4 * 2 ** 20;

const users: RouteUser[] = [
  ...USERNAMES.map((username) => ({
    username,
    role: 'root' as const,
    authorizedKeys: [keys.alice.publicKey.toLine()],
    policy: { ...DEFAULT_POLICIES.root, maxSessions: 64, remoteForwarding: 'loopback' as const },
    uidOffset: 0,
  })),
  {
    username: BYSTANDER,
    role: 'limited',
    authorizedKeys: [keys.bob.publicKey.toLine()],
    policy: { ...DEFAULT_POLICIES.limited, maxSessions: 64 },
    uidOffset: 7,
  },
];

/** A piper whose pod has a witness. */
async function watchedRig(failures: { banExempt?: Networks; failuresPerSource?: number }) {
  const witness = new Witness();
  const roomForAll = { startUps: 200, startUpsPerSource: 200, connectionsPerUser: 64, loginGraceMs: 120_000 };
  const limits = { ...roomForAll, failuresPerSource: 20, ...failures };
  const rig = await startRig({ limits, pod: { serve: witness.serve } });
  rig.setRoute({ users });
  const targetOf = (seed: number): Target => ({
    port: rig.port,
    localAddress: ADDRESSES[seed % ADDRESSES.length] ?? '',
    username: USERNAMES[seed % USERNAMES.length] ?? '',
    key: keys.alice,
    onConnect: witness.saw,
  });
  return { rig, witness, targetOf };
}

/** Somebody who has nothing to do with it: logs in, and opens a session. */
async function comeBy(rig: Rig, witness: Witness): Promise<RawClient> {
  const client = rig.client();
  await client.ready;
  witness.saw('127.0.0.1', client.socket.localPort ?? 0, { hasProven: true });
  await client.login(BYSTANDER, keys.bob);
  client.send(channelOpen('session', 0));
  const opened = await client.received.take(60_000);
  expect(opened[0]).toBe(MSG.CHANNEL_OPEN_CONFIRMATION);
  return client;
}

/** Data go to the pod and come back. */
async function echo(client: RawClient, text: string): Promise<void> {
  const data = channelData(0, text);
  client.send(data);
  expect(await client.received.take(60_000)).toEqual(data);
}

async function gauge({ piper }: Rig, name: string): Promise<number | undefined> {
  return (await piper.metrics.registry.getSingleMetric(name)?.get())?.values[0]?.value;
}

/** Whatever was held for the hostile is given back. */
async function onlyOneIsLeft(rig: Rig): Promise<void> {
  await vi.waitFor(async () => {
    expect(await gauge(rig, 'sshaccess_piper_connections')).toBe(1);
    expect(await gauge(rig, 'sshaccess_piper_start_ups')).toBe(0);
    expect(rig.pod.open).toBe(1);
  }, POLL);
  // What the rig has kept for tests to look at.
  rig.lines.length = 0;
  while (rig.pod.links.size > 0) await rig.pod.links.take();
}

test(
  'B5: 2,000 hostile connections: each ends alone, no pod is reached without a proof, nothing is kept',
  PATIENCE,
  async () => {
    const { rig, witness, targetOf } = await watchedRig({ banExempt: new Networks('127.0.0.0/8') });
    const bystander = await comeBy(rig, witness);
    const tally = new Map<string, number>();
    const half = async (seed: number): Promise<number> => {
      const counts = await fuzz({ seed, connections: 1000, atOnce: AT_ONCE, targetOf });
      for (const [what, count] of counts) tally.set(what, (tally.get(what) ?? 0) + count);
      await echo(bystander, `after ${seed}`);
      const another = await comeBy(rig, witness);
      await echo(another, 'hello');
      another.close();
      expect(rig.lines.filter(({ level }) => level === 'error')).toEqual([]);
      expect(rig.lines.filter(({ clientAddress }) => clientAddress === '')).toEqual([]);
      await onlyOneIsLeft(rig);
      return heapInUse();
    };
    const before = await half(SEED);
    const after = await half(SEED + 1000);
    expect(witness.violations).toEqual([]);
    expect(after - before).toBeLessThan(MOST_GROWTH);
    // It went wrong everywhere, and came as far as one can come.
    for (const stage of STAGES) expect(tally.get(`hostile ${stage}`)).toBeGreaterThan(100);
    for (const reached of ['keys', 'service', 'session']) expect(tally.get(`reached ${reached}`)).toBeGreaterThan(0);
  },
);

test(
  'B5, A10: once it is banned, a hostile source hears nothing and costs nothing; others go on',
  PATIENCE,
  async () => {
    const { rig, witness, targetOf } = await watchedRig({ failuresPerSource: 20 });
    const bystander = await comeBy(rig, witness);
    // Signed by a key that nobody has.
    const guesserOf = (seed: number): Target => ({
      ...targetOf(seed),
      localAddress: '127.0.0.66',
      key: keys.stranger,
      isBanned: true,
    });
    await fuzz({ seed: 1, connections: 200, atOnce: AT_ONCE, targetOf: guesserOf });
    expect(rig.piper.failures.bans()).toContainEqual(expect.objectContaining({ source: '127.0.0.66' }));
    expect(rig.pod.connections).toBe(1);
    await onlyOneIsLeft(rig);
    const tally = await fuzz({ seed: 201, connections: 300, atOnce: AT_ONCE, targetOf: guesserOf });
    expect(tally.get('reached nothing')).toBe(300);
    expect(rig.lines.filter(({ level }) => level !== 'debug')).toEqual([]);
    await echo(bystander, 'still here');
    await comeBy(rig, witness);
    expect(witness.violations).toEqual([]);
  },
);
