import { expect, test } from 'vitest';
import { MSG } from '../numbers.ts';
import { makeRandom } from '../testing/random.ts';
import type { RawSession } from '../testing/raw-session.ts';
import { rawSession } from '../testing/raw-session.ts';
import { connectSshPair } from '../testing/ssh-pair.ts';

const SEED = 20_261_121;
const CODES = ['protocol', 'mac', 'key-exchange', 'host-key', 'disconnected'];

// The classical method: four times cheaper, and what is fuzzed is the same.
const algorithms = { kex: ['curve25519-sha256'] };
const PATIENCE = { timeout: 120_000 };

test(
  '500 mutated connections: each ends alone, with a proper error, and delivers nothing that was not sent',
  PATIENCE,
  () => {
    const random = makeRandom(SEED);
    const ended = new Map<string, number>();
    for (let round = 0; round < 500; round++) {
      const target = random.below(10);
      const towards = random.below(2) === 0 ? 'client' : 'server';
      const pair = connectSshPair({
        client: { algorithms },
        chunkSize: 20 + random.below(3000),
        tamper: (to, chunk, index) => (to === towards && index === target ? random.mutate(chunk) : [chunk]),
      });
      pair.settle();
      for (let count = 0; count < 4; count++) {
        pair.client.transport.send(Buffer.alloc(100 + count, MSG.CHANNEL_DATA));
        pair.server.transport.send(Buffer.alloc(100 + count, MSG.CHANNEL_DATA));
      }
      pair.settle();
      for (const end of [pair.client, pair.server]) {
        const [error] = end.closes;
        if (error !== undefined) ended.set(error.code, (ended.get(error.code) ?? 0) + 1);
        const isIntact = end.messages.every((message, index) =>
          message.equals(Buffer.alloc(100 + index, MSG.CHANNEL_DATA)),
        );
        if (end.closes.length > 1 || !isIntact) throw new Error(`round ${round} with seed ${SEED} broke a rule`);
      }
    }
    // The mutations did reach what they were aimed at.
    expect([...ended.keys()]).toEqual(expect.arrayContaining(['disconnected', 'host-key', 'mac', 'protocol']));
    // And never `internal`: that would be a fault of ours.
    expect(CODES).toEqual(expect.arrayContaining([...ended.keys()]));
  },
);

test('B5: 1500 hostile payloads in the right encryption: nothing but our own errors', PATIENCE, () => {
  const random = makeRandom(4253);
  let session: RawSession | undefined;
  for (let round = 0; round < 1500; round++) {
    if (session === undefined || session.server.closed) {
      session = rawSession({ algorithms });
      session.exchangeKeys();
    }
    const payload = random.bytes(1 + random.below(60));
    // Mostly the numbers with a meaning to the transport.
    if (random.below(4) > 0) payload.writeUInt8(random.below(52), 0);
    session.client.send(payload);
    const [error] = session.closes;
    if (error !== undefined && !CODES.includes(error.code)) throw new Error(`round ${round} ended as ${error.code}`);
  }
});
