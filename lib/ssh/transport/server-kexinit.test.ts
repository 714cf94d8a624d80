import { describe, expect, test } from 'vitest';
import { PrivateKey } from '../keys/private-key.ts';
import { MSG } from '../numbers.ts';
import { rawSession, type RawSession } from '../testing/raw-session.ts';
import { connectSshPair } from '../testing/ssh-pair.ts';
import { ciphersFor, DEFAULT_ALGORITHMS, macsFor } from './algorithms.ts';
import { readKexinit } from './kexinit.ts';
import { Transport } from './transport.ts';

const ALL = DEFAULT_ALGORITHMS.cipher;
const GCM = ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'];

test.each([
  ['OpenSSH_9.2p1', GCM],
  ['OpenSSH_6.2', GCM],
  ['OpenSSH_10.0', GCM],
  ['OpenSSH_for_Windows_8.1', GCM],
  ['OpenSSH_6.1p1', ALL],
  ['OpenSSH_5.9', ALL],
  ['OpenSSH_', ALL],
  ['OpenSSH_x.y', ALL],
  ['ssh2js1.17.0', ALL],
  ['Go', ALL],
  ['NotOpenSSH_9.2', ALL],
  ['', ALL],
])('%j is offered %j', (software, ciphers) => {
  expect(ciphersFor(software)).toEqual(ciphers);
});

const ETM = DEFAULT_ALGORITHMS.mac;

test.each([
  ['dropbear_2022.83', [...ETM, 'hmac-sha2-256']],
  ['libssh2_1.10.0', [...ETM, 'hmac-sha2-256']],
  ['libssh_0.10.6', ETM],
  ['OpenSSH_9.2p1', ETM],
  ['not-dropbear_1', ETM],
  ['', ETM],
])('B2: %j is offered the MACs %j', (software, macs) => {
  expect(macsFor(software)).toEqual(macs);
});

test('a MAC over the plaintext protects both ways, with large packets and new keys', () => {
  const algorithms = { cipher: ['aes128-ctr'], mac: ['hmac-sha2-256'] };
  const pair = connectSshPair({ client: { algorithms }, server: { algorithms }, chunkSize: 777 });
  pair.settle();
  for (const type of [MSG.CHANNEL_DATA, MSG.CHANNEL_EXTENDED_DATA]) {
    pair.client.transport.send(Buffer.of(type, 1));
    pair.server.transport.send(Buffer.alloc(100_000, type));
    pair.server.transport.rekey();
    pair.settle();
  }
  expect(pair.server.messages).toEqual([Buffer.of(94, 1), Buffer.of(95, 1)]);
  expect(pair.client.messages).toEqual([Buffer.alloc(100_000, 94), Buffer.alloc(100_000, 95)]);
});

/** OpenSSH's order until version 10, as far as we have the ciphers. */
const OLD_ORDER = ['aes128-ctr', 'aes256-ctr', ...GCM];

test('an OpenSSH that prefers CTR gets GCM, in the first exchange and in rekeys of both sides', () => {
  let steps = 0;
  const pair = connectSshPair({
    client: { software: 'OpenSSH_9.2p1', algorithms: { cipher: OLD_ORDER } },
    server: { onExchangeStep: () => steps++ },
  });
  pair.settle();
  const gcm = { cipherIn: GCM[0], cipherOut: GCM[0] };
  expect(pair.server.transport.negotiated).toMatchObject(gcm);
  for (const side of [pair.server, pair.client]) {
    const before = steps;
    side.transport.rekey();
    pair.settle();
    expect(steps).toBeGreaterThan(before);
    expect(pair.server.transport.negotiated).toMatchObject(gcm);
  }
});

test('another client that prefers CTR gets CTR, and so does one whose server was told what to offer', () => {
  const old = connectSshPair({ client: { software: 'OpenSSH_6.1', algorithms: { cipher: OLD_ORDER } } });
  const told = connectSshPair({
    client: { software: 'OpenSSH_9.2', algorithms: { cipher: OLD_ORDER } },
    server: { algorithms: { cipher: ALL } },
  });
  for (const pair of [old, told]) {
    pair.settle();
    expect(pair.server.transport.negotiated).toMatchObject({ cipherIn: 'aes128-ctr', cipherOut: 'aes128-ctr' });
  }
});

test('an OpenSSH that insists on CTR is told that there is nothing in common', () => {
  const pair = connectSshPair({ client: { software: 'OpenSSH_9.2', algorithms: { cipher: ['aes128-ctr'] } } });
  pair.settle();
  expect(pair.client.closes[0]).toMatchObject({ code: 'key-exchange' });
  expect(pair.server.closes[0]?.message).toContain('no cipher in common');
});

describe("the server's KEXINIT", () => {
  const kexinitOf = (session: RawSession) => readKexinit(session.client.take(MSG.KEXINIT));
  const offered = (session: RawSession): string[] => kexinitOf(session).cipherToClient;

  test("waits for the client's ident, whose ident is there already", () => {
    const session = rawSession();
    expect(session.client.serverIdent).toBe('SSH-2.0-OpenSSH_9.9');
    for (const piece of ['SSH-2.0-', 'OpenSSH_9', '.2\r']) session.client.sendBytes(Buffer.from(piece));
    expect(session.client.inbox).toEqual([]);
    session.client.sendBytes(Buffer.from('\n'));
    expect(offered(session)).toEqual(GCM);
  });

  test('has a MAC over the plaintext for those only who know no other', () => {
    for (const [ident, macs] of [
      ['dropbear_2022.83', [...ETM, 'hmac-sha2-256']],
      ['paramiko_5.1.0', ETM],
    ] as const) {
      const session = rawSession();
      session.client.sendBytes(Buffer.from(`SSH-2.0-${ident}\r\n`));
      const { macToClient, macToServer } = kexinitOf(session);
      expect([macToClient, macToServer]).toEqual([macs, macs]);
    }
  });

  test("does not wait for the client's, which may be waiting for it", () => {
    const session = rawSession();
    session.client.sendBytes(Buffer.from('SSH-2.0-embedded\r\n'));
    expect(offered(session)).toEqual(ALL);
    expect(session.closes).toEqual([]);
  });
});

test('while it waits, a server can say goodbye, and counts as exchanging keys', () => {
  const written: Buffer[] = [];
  const server = new Transport({
    role: 'server',
    software: 'OpenSSH_9.9',
    hostKeys: [PrivateKey.generateEd25519()],
    write: (chunk) => written.push(Buffer.from(chunk)),
    onReady() {},
    onMessage() {},
    onClose() {},
  });
  server.start();
  // A paused socket is read on (transport-socket.ts): otherwise the ident would never come.
  expect(server.isExchangingKeys).toBe(true);
  expect(written).toHaveLength(1);
  server.disconnect(12, 'too late');
  expect(written[1]?.readUInt8(5)).toBe(MSG.DISCONNECT);
});
