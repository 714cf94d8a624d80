import { describe, expect, test } from 'vitest';
import { MSG } from '../numbers.ts';
import { connectSshPair, type SshPairOptions } from '../testing/ssh-pair.ts';
import type { SshError } from '../errors.ts';
import type { Algorithms } from './algorithms.ts';
import type { Transport } from './transport.ts';

const both = (algorithms: Partial<Algorithms>): SshPairOptions => ({ client: { algorithms }, server: { algorithms } });
const GCM = both({ cipher: ['aes128-gcm@openssh.com'] });
const OTHER_GCM = both({ cipher: ['aes256-gcm@openssh.com'] });
const CTR = both({ cipher: ['aes128-ctr'], mac: ['hmac-sha2-256-etm@openssh.com'] });

/** Two connections with a piper between them that relays whatever the first one's client says. */
function relayed(outerOptions: SshPairOptions, innerOptions: SshPairOptions, chunkSize?: number) {
  const inner = connectSshPair(innerOptions);
  let source: Transport | undefined;
  let relay = (payload: Buffer): void => {
    if (source !== undefined) inner.client.transport.relay(payload, source);
  };
  const outer = connectSshPair({
    ...(chunkSize === undefined ? {} : { chunkSize }),
    ...outerOptions,
    server: { ...outerOptions.server, onMessage: (payload) => relay(payload) },
  });
  source = outer.server.transport;
  for (const pair of [outer, inner]) pair.settle();
  const instead = (other: typeof relay): void => void (relay = other);
  return { outer, inner, source, instead };
}

const message = (length: number, fill: number): Buffer => {
  const payload = Buffer.alloc(length, fill);
  payload.writeUInt8(MSG.CHANNEL_DATA, 0);
  return payload;
};

describe.each([
  ['the same cipher', GCM, GCM],
  ['keys of another length', GCM, OTHER_GCM],
  ['encrypt-then-MAC on both sides', CTR, CTR],
  ['packets of another shape', GCM, CTR],
  ['and the other way round', CTR, GCM],
])('%s', (_name, outerOptions, innerOptions) => {
  test.each([1, 3, 7, 64, 1000, 100_000])('every length arrives, in pieces of %i bytes', (chunkSize) => {
    const { outer, inner } = relayed(outerOptions, innerOptions, chunkSize);
    const sent = Array.from({ length: 60 }, (_, index) => message(1 + index, index));
    for (const payload of sent) outer.client.transport.send(payload);
    outer.settle();
    inner.settle();
    expect(inner.server.messages).toEqual(sent);
  });

  test('256 KiB pass', () => {
    const { outer, inner } = relayed(outerOptions, innerOptions);
    const sent = [message(256 * 1024 + 9, 7), message(1, 1)];
    for (const payload of sent) outer.client.transport.send(payload);
    outer.settle();
    inner.settle();
    expect([...outer.server.closes, ...inner.server.closes]).toEqual([]);
    expect(inner.server.messages.map((got, index) => got.equals(sent[index] ?? got.subarray(1)))).toEqual([true, true]);
  });
});

test('in a key exchange messages wait, and keep their order with those before and after', () => {
  const { outer, inner, source, instead } = relayed(GCM, GCM);
  let count = 0;
  instead((payload) => {
    // In the middle of what one read has brought.
    if (++count === 20) inner.client.transport.rekey();
    inner.client.transport.relay(payload, source);
  });
  const sent = Array.from({ length: 40 }, (_, index) => message(100 + index, index));
  for (const payload of sent) outer.client.transport.send(payload);
  outer.settle();
  expect(inner.client.transport.queuedBytes).toBeGreaterThan(0);
  inner.settle();
  expect(inner.server.messages).toEqual(sent);
});

test('bytes that are a sealed packet already are not sent as a message', () => {
  const { outer, inner, source, instead } = relayed(GCM, GCM);
  instead((payload) => {
    inner.client.transport.relay(payload, source);
    inner.client.transport.relay(payload, source);
  });
  outer.client.transport.send(message(100, 1));
  outer.settle();
  inner.settle();
  const [error]: (SshError | undefined)[] = [...outer.server.closes];
  expect(error?.code).toBe('internal');
  expect(inner.server.messages).toEqual([message(100, 1)]);
});

test('what has been read is sent as a copy where it is not the message being delivered', () => {
  const { outer, inner, source, instead } = relayed(GCM, GCM);
  instead((payload) => inner.client.transport.relay(Buffer.from(payload.subarray(0, 5)), source));
  outer.client.transport.send(message(100, 1));
  outer.settle();
  inner.settle();
  expect(inner.server.messages).toEqual([message(5, 1)]);
});
