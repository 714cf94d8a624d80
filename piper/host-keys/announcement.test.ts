/** On the wire, with a client that asks for whatever it likes. */
import { expect, test } from 'vitest';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { MSG } from '../../lib/ssh/numbers.ts';
import { Reader, Writer } from '../../lib/ssh/wire.ts';
import type { RawClient } from '../testing/raw-client.ts';
import { globalRequest } from '../testing/messages.ts';
import { startRig } from '../testing/rig.ts';
import { announcement, PROVE_HOST_KEYS } from './announcement.ts';

const keys = [1, 2].map(() => PrivateKey.generateEd25519());
const blobs = keys.map(({ publicKey }) => publicKey.blob);

async function loggedIn() {
  let now = keys;
  const rig = await startRig({ hostKeys: () => now });
  const client = await rig.login();
  await expect.poll(() => client.announcements.length).toBe(1);
  return { rig, client, change: (to: PrivateKey[]) => (now = to) };
}

async function askFor(client: RawClient, asked: readonly Uint8Array[], wantReply = true): Promise<Buffer> {
  const list = new Writer();
  for (const blob of asked) list.string(blob);
  client.send(globalRequest(PROVE_HOST_KEYS, wantReply, list.bytes()));
  return client.received.take();
}

test('a user who is in hears of all host keys, and gets proof of those that are asked for, in that order', async () => {
  const { client } = await loggedIn();
  expect(client.announcements).toEqual([announcement(keys)]);
  const reply = new Reader(await askFor(client, blobs.toReversed()));
  expect(reply.byte()).toBe(MSG.REQUEST_SUCCESS);
  const { sessionId } = client.link.transport;
  for (const key of keys.toReversed()) {
    const signed = new Writer().string(PROVE_HOST_KEYS).string(sessionId).string(key.publicKey.blob).bytes();
    expect(key.publicKey.verify('ssh-ed25519', signed, Buffer.from(reply.string()))).toBe(true);
  }
  reply.end();
});

test.each([
  ['a key of somebody else', [PrivateKey.generateEd25519().publicKey.blob]],
  ['one of ours and one of somebody else', [...blobs, PrivateKey.generateEd25519().publicKey.blob]],
  ['one key again and again', [...blobs, ...blobs]],
  ['nothing', []],
])('B8: no proof of %s', async (_what, asked) => {
  const { client } = await loggedIn();
  expect((await askFor(client, asked))[0]).toBe(MSG.REQUEST_FAILURE);
});

test('B8: who asks without end gets no more signatures', async () => {
  const { client } = await loggedIn();
  const answers = [];
  for (let count = 0; count < 4; count++) answers.push((await askFor(client, blobs))[0]);
  expect(answers).toEqual([MSG.REQUEST_SUCCESS, MSG.REQUEST_SUCCESS, MSG.REQUEST_FAILURE, MSG.REQUEST_FAILURE]);
});

test('a change is for connections that begin after it; those that are there keep what they were told', async () => {
  const { rig, client, change } = await loggedIn();
  const [, second] = keys;
  if (second === undefined) throw new Error('no key');
  change([second]);
  const late = await rig.login();
  await expect.poll(() => late.announcements).toEqual([announcement([second])]);
  expect((await askFor(client, blobs))[0]).toBe(MSG.REQUEST_SUCCESS);
  expect((await askFor(late, blobs))[0]).toBe(MSG.REQUEST_FAILURE);
});
