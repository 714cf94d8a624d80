/** What one user may have at once: sessions over all connections, connections, and channels on each (D10). */
import { expect, test } from 'vitest';
import * as say from './testing/messages.ts';
import type { RawClient } from './testing/raw-client.ts';
import { keys, startRig, type Rig } from './testing/rig.ts';
import type { PodLink } from './testing/fake-pod.ts';

const USERS = {
  root: ['acme-hello', keys.alice, 10],
  limited: ['acme-hello-dev', keys.bob, 2],
} as const;

type Logged = { client: RawClient; link: PodLink };

async function connections(rig: Rig, role: keyof typeof USERS, count: number): Promise<Logged[]> {
  const [username, key] = USERS[role];
  const logged: Logged[] = [];
  for (let index = 0; index < count; index++) {
    const client = await rig.login(username, key);
    logged.push({ client, link: await rig.pod.links.take() });
  }
  return logged;
}

/** Asks for a session. @returns whether the pod saw it */
async function opens({ client, link }: Logged, number: number): Promise<boolean> {
  client.send(say.channelOpen('session', number));
  // Whatever the pod sees next is the one or the other.
  client.send(say.globalRequest('keepalive@openssh.com', false));
  if (say.describeMessage(await link.received.take()) !== `CHANNEL_OPEN session ${number}`) return false;
  await link.received.take();
  return true;
}

test.each(['root', 'limited'] as const)(
  'D10: %s: so many sessions, however many connections they are on',
  async (role) => {
    const rig = await startRig();
    const [, , most] = USERS[role];
    const all = await connections(rig, role, 4);
    let opened = 0;
    for (let number = 0; number < 4; number++) for (const one of all) if (await opens(one, number)) opened++;
    expect(opened).toBe(most);
    // Another user is not concerned, and neither is another connection once one of these has ended.
    const [other] = await connections(rig, role === 'root' ? 'limited' : 'root', 1);
    expect(other && (await opens(other, 0))).toBe(true);
    const [first, second] = all;
    first?.client.close();
    await expect.poll(() => rig.piper.connections.size).toBe(4);
    expect(second && (await opens(second, 99))).toBe(true);
  },
);
