import { describe, expect, test } from 'vitest';
import { PrivateKey } from '../keys/private-key.ts';
import { MSG } from '../numbers.ts';
import { rawSession, type RawSession } from '../testing/raw-session.ts';
import { connectSshPair } from '../testing/ssh-pair.ts';
import { ciphersFor, DEFAULT_ALGORITHMS } from './algorithms.ts';
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
  const offered = (session: RawSession): string[] => readKexinit(session.client.take(MSG.KEXINIT)).cipherToClient;

  test("waits for the client's ident, whose ident is there already", () => {
    const session = rawSession();
    expect(session.client.serverIdent).toBe('SSH-2.0-OpenSSH_9.9');
    for (const piece of ['SSH-2.0-', 'OpenSSH_9', '.2\r']) session.client.sendBytes(Buffer.from(piece));
    expect(session.client.inbox).toEqual([]);
    session.client.sendBytes(Buffer.from('\n'));
    expect(offered(session)).toEqual(GCM);
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
