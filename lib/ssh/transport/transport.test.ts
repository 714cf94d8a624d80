import { describe, expect, test } from 'vitest';
import { PrivateKey } from '../keys/private-key.ts';
import { DISCONNECT, MSG } from '../numbers.ts';
import { rawSession } from '../testing/raw-session.ts';
import { connectSshPair } from '../testing/ssh-pair.ts';
import { Writer } from '../wire.ts';
import { DEFAULT_ALGORITHMS } from './algorithms.ts';
import { Transport } from './transport.ts';

const data = (length: number, fill = 7): Buffer =>
  Buffer.concat([Buffer.of(MSG.CHANNEL_DATA), Buffer.alloc(length, fill)]);

describe('every algorithm of the policy', () => {
  test.each(DEFAULT_ALGORITHMS.kex)('%s', (kex) => {
    const pair = connectSshPair({ client: { algorithms: { kex: [kex] } } });
    pair.settle();
    expect([pair.client.ready, pair.server.ready]).toEqual([true, true]);
    expect(pair.server.transport.negotiated.kex).toBe(kex);
    expect(pair.client.transport.sessionId).toEqual(pair.server.transport.sessionId);
  });

  const suites = DEFAULT_ALGORITHMS.cipher.flatMap((cipher) =>
    DEFAULT_ALGORITHMS.mac.map((mac) => [cipher, mac] as const),
  );
  test.each(suites)('%s with %s', (cipher, mac) => {
    const pair = connectSshPair({
      // Before 6.2 OpenSSH had no AES-GCM: it is offered everything.
      client: { software: 'OpenSSH_6.1', algorithms: { cipher: [cipher], mac: [mac] } },
      chunkSize: 1001,
    });
    pair.settle();
    pair.client.transport.send(data(40_000));
    pair.server.transport.send(data(50_000));
    pair.settle();
    expect(pair.server.messages).toEqual([data(40_000)]);
    expect(pair.client.messages).toEqual([data(50_000)]);
    expect(pair.client.transport.negotiated).toMatchObject({ cipherIn: cipher, cipherOut: cipher });
  });

  test.each(['P-256', 'P-384', 'P-521', 'rsa'])('a host key of %s', async (kind) => {
    const { generateKeyPairSync } = await import('node:crypto');
    const { privateKey } =
      kind === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ec', { namedCurve: kind });
    const hostKey = PrivateKey.parse(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    const pair = connectSshPair({
      server: { hostKeys: [hostKey] },
      client: { verifyHostKey: (key) => key.equals(hostKey.publicKey) },
    });
    pair.settle();
    expect(pair.client.ready).toBe(true);
    expect(pair.client.transport.negotiated.hostKey).toBe(hostKey.publicKey.signatureAlgorithms[0]);
  });
});

test.each([1, 2, 3, 7, 16, 1000])('chunks of %i bytes', (chunkSize) => {
  const pair = connectSshPair({ chunkSize });
  pair.settle();
  for (let length = 0; length < 60; length++) pair.client.transport.send(data(length));
  pair.settle();
  expect(pair.server.messages.map(({ length }) => length)).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
});

test('what is sent before the first key exchange waits, and arrives in order, encrypted', () => {
  const seen: Buffer[] = [];
  const pair = connectSshPair({
    tamper: (to, chunk) => {
      if (to === 'server') seen.push(chunk);
      return [chunk];
    },
  });
  pair.client.transport.send(data(3, 0x61));
  pair.client.transport.send(data(3, 0x62));
  expect(pair.client.transport.queuedBytes).toBe(8);
  pair.settle();
  expect(pair.client.transport.queuedBytes).toBe(0);
  expect(pair.server.messages).toEqual([data(3, 0x61), data(3, 0x62)]);
  expect(seen.some((chunk) => chunk.includes('aaa'))).toBe(false);
});

test('the server tells which signatures users may make, in its first encrypted packet', () => {
  const pair = connectSshPair();
  pair.settle();
  expect(pair.client.transport.peerSignatureAlgorithms).toContain('sk-ssh-ed25519@openssh.com');
  expect(pair.client.transport.peerSignatureAlgorithms).not.toContain('ssh-rsa');
  expect(pair.client.transport.remoteSoftware).toBe('OpenSSH_9.9');
  expect(pair.client.transport.remoteIdent).toBe('OpenSSH_9.9 test');
});

describe('messages of the transport itself', () => {
  test('IGNORE, DEBUG and UNIMPLEMENTED are dropped', () => {
    const pair = connectSshPair();
    pair.settle();
    for (const type of [MSG.IGNORE, MSG.DEBUG, MSG.UNIMPLEMENTED])
      pair.client.transport.send(Buffer.of(type, 0, 0, 0, 0));
    pair.client.transport.send(data(1));
    pair.settle();
    expect(pair.server.messages).toEqual([data(1)]);
  });

  test.each([0, 8, 19])('an unknown one, number %i, is answered with UNIMPLEMENTED and its sequence number', (type) => {
    const session = rawSession();
    session.exchangeKeys();
    for (const payload of [data(1), Buffer.of(type), data(2)]) session.client.send(payload);
    // Counted from the NEWKEYS on, because of strict key exchange.
    expect(session.client.take(MSG.UNIMPLEMENTED)).toEqual(Buffer.of(MSG.UNIMPLEMENTED, 0, 0, 0, 1));
    expect(session.messages).toEqual([data(1), data(2)]);
  });

  test('B6: unknown messages without end are not answered without end', () => {
    const pair = connectSshPair();
    pair.settle();
    for (let count = 0; count < 1100; count++) pair.client.transport.send(Buffer.of(8));
    pair.settle();
    expect(pair.server.closes).toEqual([expect.objectContaining({ code: 'protocol' })]);
  });

  test('C4: DISCONNECT carries reason and text, and the text cannot forge log lines', () => {
    const pair = connectSshPair();
    pair.settle();
    pair.client.transport.disconnect(DISCONNECT.BY_APPLICATION, 'bye\n{"level":"error"}');
    pair.settle();
    expect(pair.client.closes).toEqual([undefined]);
    expect(pair.server.closes).toEqual([
      expect.objectContaining({
        code: 'disconnected',
        disconnectReason: 11,
        message: expect.stringContaining('bye?{'),
      }),
    ]);
    expect(pair.server.transport.closed).toBe(true);
  });
});

describe('the end', () => {
  test('is told once, and nothing is sent or delivered after it', () => {
    const pair = connectSshPair();
    pair.settle();
    pair.client.transport.send(data(1));
    pair.server.transport.abort();
    pair.settle();
    pair.server.transport.send(data(1));
    pair.server.transport.disconnect(2, 'again');
    pair.server.transport.abort();
    pair.server.transport.rekey();
    pair.server.transport.receive(Buffer.alloc(100));
    pair.settle();
    expect(pair.server.closes).toEqual([undefined]);
    expect(pair.server.messages).toEqual([]);
    expect(pair.client.messages).toEqual([]);
  });

  test('comes from an owner that throws, as an internal error that tells the peer nothing', () => {
    const pair = connectSshPair({
      server: {
        onMessage: () => {
          throw new TypeError('secret detail');
        },
      },
    });
    pair.settle();
    pair.client.transport.send(data(1));
    pair.settle();
    expect(pair.server.closes).toEqual([expect.objectContaining({ code: 'internal' })]);
    expect(pair.client.closes[0]?.message).not.toContain('secret');
  });

  test('may come from within a message: what follows in the chunk is not delivered', () => {
    const pair = connectSshPair({ server: { onMessage: () => pair.server.transport.disconnect(11, 'enough') } });
    pair.settle();
    for (let count = 0; count < 3; count++) pair.client.transport.send(data(count));
    pair.settle();
    expect(pair.server.messages).toHaveLength(1);
  });
});

describe('host keys', () => {
  test('B3: a wrong one ends the connection before anything is sent with the new keys', () => {
    const pair = connectSshPair({ client: { verifyHostKey: () => false } });
    pair.client.transport.send(data(5));
    pair.settle();
    expect(pair.client.ready).toBe(false);
    expect(pair.client.closes).toEqual([expect.objectContaining({ code: 'host-key' })]);
    expect(pair.server.closes).toEqual([expect.objectContaining({ code: 'disconnected', disconnectReason: 9 })]);
    expect(pair.server.messages).toEqual([]);
  });

  test('B3: one may not change with a rekey, even to another that is accepted', () => {
    const keys = [PrivateKey.generateEd25519()];
    const pair = connectSshPair({ server: { hostKeys: keys }, client: { verifyHostKey: () => true } });
    pair.settle();
    keys[0] = PrivateKey.generateEd25519();
    pair.client.transport.rekey();
    pair.settle();
    expect(pair.client.closes).toEqual([expect.objectContaining({ code: 'host-key' })]);
  });

  test('B3: a client without a way to verify, and a server without a key, are refused by us', () => {
    const options = { software: 'OpenSSH_9.9', write() {}, onReady() {}, onMessage() {}, onClose() {} };
    expect(() => new Transport({ ...options, role: 'client' })).toThrow('verify');
    expect(() => new Transport({ ...options, role: 'server' })).toThrow('host key');
    expect(() => new Transport({ ...options, role: 'server', hostKeys: [] })).toThrow('host key');
  });
});

test('large packets only pass where the peer is no stranger', () => {
  const pair = connectSshPair();
  pair.settle();
  pair.client.transport.send(data(256 * 1024));
  pair.settle();
  expect(pair.server.messages[0]).toHaveLength(256 * 1024 + 1);
  pair.server.transport.peerIsStranger = true;
  pair.client.transport.send(data(40_000));
  pair.settle();
  expect(pair.server.closes).toEqual([expect.objectContaining({ code: 'protocol' })]);
});

test('EXT_INFO from a client is its first packet, or ends the connection', () => {
  const extInfo = new Writer().byte(MSG.EXT_INFO).uint32(1).string('ext-info-in-auth@openssh.com').string('0').bytes();
  const early = connectSshPair();
  early.client.transport.send(extInfo);
  early.settle();
  expect(early.server.closes).toEqual([]);
  const late = connectSshPair();
  late.client.transport.send(data(1));
  late.client.transport.send(extInfo);
  late.settle();
  expect(late.server.closes).toEqual([expect.objectContaining({ code: 'protocol' })]);
});
