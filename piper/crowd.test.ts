/** B4: thousands who never log in, beside those who have, cost neither memory without bound nor anybody their login. */
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { expect, onTestFinished, test, vi } from 'vitest';
import { DEFAULT_POLICIES, type RouteUser } from '../crds/index.ts';
import { MSG } from '../lib/ssh/numbers.ts';
import { heapInUse } from './testing/heap.ts';
import { channelOpen } from './testing/messages.ts';
import { obliging } from './testing/obliging-pod.ts';
import type { RawClient } from './testing/raw-client.ts';
import { keys, startRig, type Rig } from './testing/rig.ts';

const SESSIONS = 200;
const STRANGERS = 1000;
const LOGINS = 20;
const SOURCES = ['127.0.0.21', '127.0.0.22', '127.0.0.23', '127.0.0.24', '127.0.0.25'];
const LIMITS = { startUps: 60, startUpsPerSource: 20, connectionsPerUser: 1000, loginGraceMs: 120_000 };
const PATIENCE = { timeout: 300_000 };
const POLL = { timeout: 60_000, interval: 50 };
const KIB = 1024;
/** Four transports: the client's and the pod's are in this process, too. 132 KiB when this was written. */
const MOST_PER_SESSION = 192 * KIB;
/** The most that a stranger can make us keep: not even a packet of 35,000 bytes, as there is room for what has come. */
const MOST_PER_START_UP = 128 * KIB;
/** The stranger's own end, which is in this process, too. */
const MOST_PER_STRANGER = 8 * KIB;

const USERNAMES = Array.from({ length: 8 }, (_, index) => `acme-crowd-${index}`);
const users: RouteUser[] = USERNAMES.map((username) => ({
  username,
  role: 'root',
  authorizedKeys: [keys.alice.publicKey.toLine()],
  policy: { ...DEFAULT_POLICIES.root, maxSessions: 64 },
  uidOffset: 0,
}));

/** Nothing at all; half an ident; who one is; most of a packet. */
const BEGINNINGS = [
  '',
  'SSH-2.0-str',
  'SSH-2.0-stranger\r\n',
  `SSH-2.0-stranger\r\n\0\0\x80\x04\x04\x14${'x'.repeat(30_000)}`,
];

async function comeIn(rig: Rig, index: number): Promise<RawClient> {
  const client = await rig.login(USERNAMES[index % USERNAMES.length], keys.alice);
  client.send(channelOpen('session', 0));
  expect((await client.received.take(60_000))[0]).toBe(MSG.CHANNEL_OPEN_CONFIRMATION);
  return client;
}

async function startUps({ piper }: Rig): Promise<number> {
  return (
    (await piper.metrics.registry.getSingleMetric('sshaccess_piper_start_ups')?.get())?.values[0]?.value ?? Number.NaN
  );
}

/** Resolves when the piper has taken it, or has closed it already. */
async function stranger(port: number, index: number): Promise<Socket> {
  const localAddress = SOURCES[index % SOURCES.length] ?? '';
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  socket.on('error', () => undefined).on('data', () => undefined);
  await once(socket, 'connect');
  socket.write(BEGINNINGS[index % BEGINNINGS.length] ?? '', 'latin1');
  return socket;
}

test('B4: 200 idle sessions and 1,000 strangers: memory is bounded, and users log in meanwhile', PATIENCE, async () => {
  const pod = { serve: obliging };
  const rig = await startRig({ limits: LIMITS, pod });
  rig.setRoute({ users });
  (await comeIn(rig, 0)).close();
  const empty = await heapInUse();
  for (let index = 0; index < SESSIONS; index++) await comeIn(rig, index);
  const crowded = await heapInUse();
  expect(crowded - empty).toBeLessThan(SESSIONS * MOST_PER_SESSION);

  const strangers: Socket[] = [];
  onTestFinished(() => strangers.forEach((socket) => socket.destroy()));
  for (let index = 0; index < STRANGERS; index++) {
    strangers.push(await stranger(rig.port, index));
    if (index % (STRANGERS / LOGINS) === 0) (await comeIn(rig, index)).close();
  }
  await vi.waitFor(async () => expect(await startUps(rig)).toBe(LIMITS.startUps), POLL);
  const besieged = await heapInUse();
  expect(besieged - crowded).toBeLessThan(LIMITS.startUps * MOST_PER_START_UP + STRANGERS * MOST_PER_STRANGER);
  expect(rig.piper.connections.size).toBe(SESSIONS);
});
