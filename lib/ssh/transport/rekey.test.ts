import { describe, expect, test } from 'vitest';
import { MSG } from '../numbers.ts';
import type { SshEnd } from '../testing/ssh-pair.ts';
import { connectSshPair } from '../testing/ssh-pair.ts';
import { Writer } from '../wire.ts';

const numbered = (index: number, length = 1000): Buffer =>
  new Writer(length + 16).byte(MSG.CHANNEL_DATA).uint32(index).string(Buffer.alloc(length, index)).bytes();

function expectAll(end: SshEnd, count: number, length?: number): void {
  expect(end.closes).toEqual([]);
  expect(end.messages).toEqual(Array.from({ length: count }, (_, index) => numbered(index, length)));
}

/** Counts KEXINITs that pass, by watching isExchangingKeys go up. */
function countExchanges(): { step: (isExchanging: boolean) => void; count: () => number } {
  let count = 0;
  let was = false;
  return {
    step(isExchanging) {
      if (isExchanging && !was) count++;
      was = isExchanging;
    },
    count: () => count,
  };
}

describe('B7: in the middle of data, nothing is lost or reordered', () => {
  test.each([
    ['the client', ['client']],
    ['the server', ['server']],
    ['both at once', ['client', 'server']],
  ] as const)('begun by %s', (_who, sides) => {
    const pair = connectSshPair({ chunkSize: 777 });
    pair.settle();
    const { sessionId } = pair.client.transport;
    for (let index = 0; index < 60; index++) {
      if (index % 10 === 5) for (const side of sides) pair[side].transport.rekey();
      pair.client.transport.send(numbered(index));
      pair.server.transport.send(numbered(index));
      if (index % 10 === 9) pair.settle();
    }
    expectAll(pair.server, 60);
    expectAll(pair.client, 60);
    expect(pair.client.transport.isExchangingKeys).toBe(false);
    expect(pair.server.transport.isExchangingKeys).toBe(false);
    // RFC 4253 §7.2: the session id is the first exchange hash, for ever.
    expect(pair.client.transport.sessionId).toEqual(sessionId);
  });

  test('by the amount of data, on both sides', () => {
    const exchanges = countExchanges();
    const limits = { rekeyAfterBytes: 50_000 };
    const pair = connectSshPair({
      client: limits,
      server: { ...limits, onExchangeStep: () => exchanges.step(pair.server.transport.isExchangingKeys) },
      chunkSize: 10_007,
    });
    pair.settle();
    for (let index = 0; index < 200; index++) {
      pair.client.transport.send(numbered(index, 5000));
      pair.server.transport.send(numbered(index, 5000));
      if (index % 4 === 3) pair.settle();
    }
    expectAll(pair.server, 200, 5000);
    expectAll(pair.client, 200, 5000);
    expect(exchanges.count()).toBeGreaterThan(10);
  });

  test('by time', () => {
    let time = 0;
    const exchanges = countExchanges();
    const pair = connectSshPair({
      server: {
        now: () => time,
        rekeyAfterMs: 1000,
        onExchangeStep: () => exchanges.step(pair.server.transport.isExchangingKeys),
      },
    });
    pair.settle();
    pair.client.transport.send(numbered(0));
    pair.settle();
    expect(exchanges.count()).toBe(1);
    time = 1000;
    pair.client.transport.send(numbered(1));
    pair.settle();
    expect(exchanges.count()).toBe(2);
    expectAll(pair.server, 2);
  });

  test.each(['aes256-gcm@openssh.com', 'aes128-ctr'])('with %s', (cipher) => {
    const pair = connectSshPair({
      client: { software: 'OpenSSH_6.1', algorithms: { cipher: [cipher] }, rekeyAfterBytes: 10_000 },
    });
    pair.settle();
    for (let index = 0; index < 50; index++) {
      pair.client.transport.send(numbered(index));
      pair.settle();
    }
    expectAll(pair.server, 50);
  });
});

describe('while keys are exchanged', () => {
  test('payloads wait and are counted; DISCONNECT does not wait', () => {
    const pair = connectSshPair();
    pair.settle();
    pair.client.transport.rekey();
    expect(pair.client.transport.isExchangingKeys).toBe(true);
    pair.client.transport.send(numbered(0));
    expect(pair.client.transport.queuedBytes).toBe(numbered(0).length);
    pair.client.transport.disconnect(11, 'bye');
    pair.settle();
    expect(pair.server.messages).toEqual([]);
    expect(pair.server.closes).toEqual([expect.objectContaining({ code: 'disconnected' })]);
  });

  test('asking again begins no second exchange', () => {
    const written: number[] = [];
    const pair = connectSshPair({
      tamper: (to, chunk) => {
        if (to === 'server') written.push(chunk.length);
        return [chunk];
      },
    });
    pair.settle();
    const before = written.length;
    pair.client.transport.rekey();
    pair.client.transport.rekey();
    pair.client.transport.rekey();
    expect(written.length).toBe(before + 1);
    pair.settle();
    expect(pair.client.closes).toEqual([]);
  });

  test('an owner that does not read begins none', () => {
    const pair = connectSshPair({ client: { rekeyAfterBytes: 1000 } });
    pair.settle();
    pair.client.transport.holdsRekey = true;
    for (let index = 0; index < 5; index++) pair.client.transport.send(numbered(index));
    expect(pair.client.transport.isExchangingKeys).toBe(false);
    pair.client.transport.holdsRekey = false;
    pair.client.transport.send(numbered(5));
    expect(pair.client.transport.isExchangingKeys).toBe(true);
    pair.settle();
    expectAll(pair.server, 6);
  });

  test('B7: what the peer sends without answering is counted', () => {
    const pair = connectSshPair();
    pair.settle();
    expect(pair.client.transport.unansweredBytes).toBe(0);
    pair.server.transport.send(numbered(0));
    pair.client.transport.rekey();
    pair.settle();
    expect(pair.client.transport.unansweredBytes).toBe(0);
    expectAll(pair.client, 1);
  });
});

describe('B4, B7: a peer that does nothing but change keys is cut off', () => {
  /** How many exchanges the client may begin, up to `most`. */
  function exchangesOf(pair: ReturnType<typeof connectSshPair>, most: number, between?: () => void): number {
    pair.settle();
    for (let count = 0; count < most; count++) {
      pair.client.transport.rekey();
      pair.settle();
      if (pair.server.closes.length > 0) return count;
      between?.();
    }
    return most;
  }

  test('a stranger after a few, whatever they send in between', () => {
    const pair = connectSshPair();
    pair.server.transport.peerIsStranger = true;
    const ignored = new Writer(30_000).byte(MSG.IGNORE).string(Buffer.alloc(20_000)).bytes();
    const flood = (): void => {
      for (let index = 0; index < 40; index++) pair.client.transport.send(ignored);
    };
    expect(exchangesOf(pair, 20, flood)).toBe(4);
    expect(pair.server.closes[0]).toMatchObject({ code: 'protocol', message: 'the peer changes its keys too often' });
  });

  test('a user after many, and with time there are more; where data has passed, they are not counted', () => {
    let time = 0;
    const pair = connectSshPair({ server: { now: () => time } });
    expect(exchangesOf(pair, 64)).toBe(64);
    time += 10_000;
    expect(exchangesOf(pair, 10)).toBe(10);
    const data = (): void => {
      for (let index = 0; index < 120; index++) pair.client.transport.send(numbered(index, 5000));
      pair.settle();
    };
    data();
    expect(exchangesOf(pair, 20, data)).toBe(20);
    expect(exchangesOf(pair, 20)).toBe(1);
    expect(pair.server.closes[0]).toMatchObject({ code: 'protocol' });
  });

  test('a client that changes keys each minute or after much data is never cut off, whoever else is', () => {
    let time = 0;
    const pair = connectSshPair({ server: { now: () => time, admitRekey: () => false } });
    pair.settle();
    const minute = (): void => void (time += 60_000);
    minute();
    expect(exchangesOf(pair, 200, minute)).toBe(200);
    const data = (): void => {
      for (let index = 0; index < 120; index++) pair.client.transport.send(numbered(index, 5000));
      pair.settle();
    };
    data();
    expect(exchangesOf(pair, 20, data)).toBe(20);
  });

  test('a user whose other connections have used up what there is, at once', () => {
    const pair = connectSshPair({ server: { now: () => 0, admitRekey: () => false } });
    expect(exchangesOf(pair, 10)).toBe(0);
    expect(pair.server.closes[0]).toMatchObject({ code: 'protocol', message: 'the peer changes its keys too often' });
  });
});
