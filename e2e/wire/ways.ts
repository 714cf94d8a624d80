/** The two ways to the sidecar: as the piper comes, and through the piper as a user does. What holds must hold on both. */
import { setTimeout as delay } from 'node:timers/promises';
import {
  ASSERT_IDENTITY,
  DEFAULT_POLICIES,
  type IdentityAssertion,
  type Role,
  type SessionPolicy,
} from '../../crds/index.ts';
import { MSG } from '../../lib/ssh/numbers.ts';
import { Reader, Writer } from '../../lib/ssh/wire.ts';
import { channelOpen, channelRequest, globalRequest } from '../../piper/testing/messages.ts';
import { RawClient } from '../../piper/testing/raw-client.ts';
import type { Stack } from './stack.ts';

export const WAYS = ['directly', 'through the piper'] as const;
export type Way = (typeof WAYS)[number];

export type RawUser = { username: string; role: Role; policy: SessionPolicy };

/** A client that has logged in and says exactly what it is told to. */
export function connectRaw(stack: Stack, way: Way, role: Role): Promise<RawClient> {
  return connectAs(stack, way, { username: stack[role].username, role, policy: DEFAULT_POLICIES[role] });
}

/** As somebody whom the route knows with the key of their role; who comes directly is believed. */
export async function connectAs(stack: Stack, way: Way, { username, role, policy }: RawUser): Promise<RawClient> {
  if (way === 'through the piper') {
    const client = new RawClient(stack.port, { verifyHostKey: (key) => key.equals(stack.keys.piper.publicKey) });
    await client.login(username, stack.keys[role]);
    return client;
  }
  const client = new RawClient(stack.podPort, { verifyHostKey: (key) => key.equals(stack.keys.pod.publicKey) });
  await client.login(username, stack.keys.mapping);
  const assertion: IdentityAssertion = {
    version: 1,
    username,
    role,
    policy,
    uidOffset: 0,
    fingerprint: stack.keys[role].publicKey.fingerprint,
    clientAddress: '192.0.2.1',
    clientPort: 1,
    connectionId: 'direct-1',
  };
  client.send(globalRequest(ASSERT_IDENTITY, true, new Writer().string(JSON.stringify(assertion)).bytes()));
  await messageOf(client, MSG.REQUEST_SUCCESS);
  return client;
}

/** The next message of one of these types; others before it are forgotten. Rejects when nothing comes. */
export async function messageOf(client: RawClient, ...types: readonly number[]): Promise<Buffer> {
  for (;;) {
    const message = await client.received.take(40_000);
    if (types.includes(message[0] ?? 0)) return message;
  }
}

const MOST_TRIES = 100;

/**
 * Opens a session channel with our number `local`; answers the server's number. Sessions of a connection that has just
 * been closed may still count for a moment, so it tries again.
 */
export async function openSession(client: RawClient, local = 0, window = 2_097_152): Promise<number> {
  const open = channelOpen('session', local);
  // After the type and our number (RFC 4254 section 5.1).
  open.writeUInt32BE(window, 1 + 4 + 'session'.length + 4);
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    client.send(open);
    const message = await messageOf(client, MSG.CHANNEL_OPEN_CONFIRMATION, MSG.CHANNEL_OPEN_FAILURE);
    if (message[0] !== MSG.CHANNEL_OPEN_CONFIRMATION) {
      await delay(100);
      continue;
    }
    const answer = new Reader(message, 1);
    answer.uint32();
    return answer.uint32();
  }
  throw new Error('the server opens no session');
}

export function exec(client: RawClient, channel: number, command: string): void {
  client.send(channelRequest(channel, 'exec', true, new Writer().string(command).bytes()));
}

/** Runs a command on a connection of its own and answers what it printed: the server serves. */
export async function served(stack: Stack, way: Way): Promise<string> {
  const client = await connectRaw(stack, way, 'limited');
  exec(client, await openSession(client), 'echo served');
  let text = '';
  while (!text.includes('served')) {
    const data = new Reader(await messageOf(client, MSG.CHANNEL_DATA), 1);
    data.uint32();
    text += data.utf8();
  }
  client.close();
  return text.trim();
}
