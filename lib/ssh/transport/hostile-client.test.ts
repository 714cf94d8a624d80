import { describe, expect, test } from 'vitest';
import { MSG } from '../numbers.ts';
import type { RawSession } from '../testing/raw-session.ts';
import { rawSession } from '../testing/raw-session.ts';
import { connectSshPair } from '../testing/ssh-pair.ts';
import { Writer } from '../wire.ts';
import { DEFAULT_ALGORITHMS } from './algorithms.ts';
import { KeyExchange } from './key-exchange.ts';
import { readKexinit, writeKexinit } from './kexinit.ts';
import { PacketWriter } from './packets.ts';

function expectRefused({ closes, messages, server }: RawSession, code = 'protocol'): void {
  expect(closes).toEqual([expect.objectContaining({ code })]);
  expect(messages).toEqual([]);
  expect(server.closed).toBe(true);
}

const IGNORE = new Writer().byte(MSG.IGNORE).string('x').bytes();

test('the honest way works, so what fails below fails for its own reason', () => {
  const session = rawSession();
  session.exchangeKeys();
  session.client.send(Buffer.of(MSG.CHANNEL_DATA, 1));
  session.rekey();
  session.client.send(Buffer.of(MSG.CHANNEL_DATA, 2));
  expect(session.closes).toEqual([]);
  expect(session.messages).toEqual([Buffer.of(94, 1), Buffer.of(94, 2)]);
});

describe('B1: the first key exchange takes nothing but itself', () => {
  const others = [
    MSG.IGNORE,
    MSG.DEBUG,
    MSG.UNIMPLEMENTED,
    MSG.SERVICE_REQUEST,
    MSG.EXT_INFO,
    0,
    8,
    50,
    80,
    90,
    94,
    255,
  ];

  test.each(others)('message %i before KEXINIT', (type) => {
    const session = rawSession();
    session.client.sendIdent();
    session.client.send(Buffer.of(type, 0, 0, 0, 0));
    expectRefused(session);
  });

  test.each(others)('message %i after KEXINIT', (type) => {
    const session = rawSession();
    session.client.sendIdent();
    session.client.sendKexinit();
    session.client.send(Buffer.of(type, 0, 0, 0, 0));
    expectRefused(session);
  });

  test.each([
    ['NEWKEYS at once', [Buffer.of(MSG.NEWKEYS)]],
    ['a public value before KEXINIT', [new Writer().byte(MSG.KEX_ECDH_INIT).string(Buffer.alloc(32, 9)).bytes()]],
    ['two KEXINITs', [writeKexinit(DEFAULT_ALGORITHMS, []), writeKexinit(DEFAULT_ALGORITHMS, [])]],
    ['NEWKEYS after KEXINIT', [writeKexinit(DEFAULT_ALGORITHMS, []), Buffer.of(MSG.NEWKEYS)]],
    ["the server's own message", [writeKexinit(DEFAULT_ALGORITHMS, []), Buffer.of(MSG.KEX_ECDH_REPLY)]],
    ['a group exchange', [writeKexinit(DEFAULT_ALGORITHMS, []), Buffer.of(34, 0, 0, 0, 0)]],
    ['a KEXINIT cut short', [writeKexinit(DEFAULT_ALGORITHMS, []).subarray(0, 100)]],
    ['a KEXINIT with more behind it', [Buffer.concat([writeKexinit(DEFAULT_ALGORITHMS, []), Buffer.of(0)])]],
  ])('%s', (_what, payloads) => {
    const session = rawSession();
    session.client.sendIdent();
    for (const payload of payloads) session.client.send(payload);
    expectRefused(session);
  });

  test.each([0, 31, 33, 1215, 1217])('a public value of %i bytes', (length) => {
    const session = rawSession();
    session.client.sendIdent();
    session.client.sendKexinit();
    session.client.send(new Writer().byte(MSG.KEX_ECDH_INIT).string(Buffer.alloc(length, 9)).bytes());
    expectRefused(session, 'key-exchange');
  });

  test('NEWKEYS with bytes behind it', () => {
    const session = rawSession();
    session.client.sendIdent();
    session.client.sendKexinit();
    session.onNewKeys = () => session.client.finishExchange(Buffer.of(MSG.NEWKEYS, 0));
    session.client.sendInit();
    expectRefused(session);
  });
});

describe('guessing (RFC 4253 §7)', () => {
  function guess(kex: string[]): RawSession {
    const session = rawSession();
    session.client.sendIdent();
    const kexinit = Buffer.from(writeKexinit({ ...DEFAULT_ALGORITHMS, kex }, []));
    // first_kex_packet_follows is the fifth byte from the end.
    kexinit.writeUInt8(1, kexinit.length - 5);
    session.client.send(kexinit);
    return session;
  }

  test('a wrong guess is skipped, whatever it holds', () => {
    const session = guess(['ecdh-sha2-nistp256', 'curve25519-sha256']);
    session.onNewKeys = () => {};
    session.client.send(new Writer().byte(MSG.KEX_ECDH_INIT).string('not even a point').bytes());
    expect(session.closes).toEqual([]);
    expect(session.client.inbox.map((payload) => payload[0])).toEqual([MSG.KEXINIT]);
    session.client.send(new Writer().byte(MSG.KEX_ECDH_INIT).string(Buffer.alloc(32, 9)).bytes());
    expect(session.closes).toEqual([]);
    session.client.take(MSG.KEX_ECDH_REPLY);
  });

  test('but it must be a packet of a method', () => {
    const session = guess(['ecdh-sha2-nistp256', 'curve25519-sha256']);
    session.client.send(IGNORE);
    expectRefused(session);
  });

  test('a right guess is taken', () => {
    const session = guess(['mlkem768x25519-sha256']);
    session.client.send(new Writer().byte(MSG.KEX_ECDH_INIT).string('too short').bytes());
    expectRefused(session, 'key-exchange');
  });
});

test.each(['client', 'server'] as const)('B1: a %s says that it is strict, in its first KEXINIT only', (role) => {
  const markersOf = (sessionId: Buffer | undefined) => {
    const context = { role, algorithms: DEFAULT_ALGORITHMS, hostKeys: [], checkHostKey: () => undefined };
    const exchange = new KeyExchange({ ...context, sessionId, idents: () => ({ client: '', server: '' }) });
    return readKexinit(exchange.localKexinit).kex.filter((name) => name.startsWith('kex-strict-'));
  };
  // OpenSSH PROTOCOL §1.9: who does not say so is not treated so, and the peer's own strictness is off, too.
  expect(markersOf(undefined)).toEqual([`kex-strict-${role === 'client' ? 'c' : 's'}-v00@openssh.com`]);
  expect(markersOf(Buffer.alloc(32))).toEqual([]);
});

describe('B1: Terrapin (CVE-2023-48795): packets put in or taken out of the first key exchange', () => {
  test.each(['client', 'server'] as const)('an IGNORE injected towards the %s', (to) => {
    for (const at of [1, 2, 3]) {
      const pair = connectSshPair({
        tamper: (direction, chunk, index) =>
          direction === to && index === at ? [new PacketWriter().packet(IGNORE), chunk] : [chunk],
      });
      pair.settle();
      expect(pair[to].closes).toEqual([expect.objectContaining({ code: expect.stringMatching(/protocol|mac/) })]);
      expect(pair[to].messages).toEqual([]);
    }
  });

  test("the server's first encrypted packet (EXT_INFO) taken away is noticed with the next", () => {
    const pair = connectSshPair({
      tamper: (to, chunk, index) => (to === 'client' && index === 4 ? [] : [chunk]),
    });
    pair.settle();
    pair.server.transport.send(Buffer.of(94));
    pair.settle();
    expect(pair.client.closes).toEqual([expect.objectContaining({ code: 'mac' })]);
    expect(pair.client.messages).toEqual([]);
  });

  test('with CTR too, where only the sequence number tells', () => {
    const pair = connectSshPair({
      client: { software: 'OpenSSH_6.1', algorithms: { cipher: ['aes128-ctr'] } },
      tamper: (to, chunk, index) => (to === 'client' && index === 4 ? [] : [chunk]),
    });
    pair.settle();
    pair.server.transport.send(Buffer.of(94));
    pair.settle();
    expect(pair.client.closes).toEqual([expect.objectContaining({ code: 'mac' })]);
  });
});

test.each(['ident', 'kexinit'] as const)('B3: a changed %s makes the signature wrong', (what) => {
  const pair = connectSshPair({
    tamper: (to, chunk, index) => {
      if (to !== 'server' || index !== (what === 'ident' ? 0 : 1)) return [chunk];
      // The last digit of the version, or a byte of the cookie.
      const at = what === 'ident' ? chunk.indexOf('9.9') : 10;
      chunk.writeUInt8(chunk.readUInt8(at) ^ 1, at);
      return [chunk];
    },
  });
  pair.settle();
  expect(pair.client.ready).toBe(false);
  expect(pair.client.closes).toEqual([expect.objectContaining({ code: 'host-key' })]);
});

describe('B7: between KEXINIT and NEWKEYS of a rekey the peer may send nothing else', () => {
  test.each([MSG.CHANNEL_DATA, MSG.GLOBAL_REQUEST, MSG.SERVICE_REQUEST, MSG.EXT_INFO, 192])('message %i', (type) => {
    const session = rawSession();
    session.exchangeKeys();
    session.client.sendKexinit();
    session.client.send(Buffer.of(type));
    expectRefused(session);
  });

  test('but IGNORE', () => {
    const session = rawSession();
    session.exchangeKeys();
    session.client.sendKexinit();
    session.client.send(IGNORE);
    session.client.sendInit();
    session.client.send(Buffer.of(MSG.CHANNEL_DATA));
    expect(session.closes).toEqual([]);
    expect(session.messages).toHaveLength(1);
  });
});

describe('after the key exchange', () => {
  test('a flipped bit ends the connection without detail', () => {
    const session = rawSession();
    session.exchangeKeys();
    const packet = session.client.writer.packet(Buffer.alloc(100, MSG.CHANNEL_DATA));
    packet.writeUInt8(packet.readUInt8(30) ^ 1, 30);
    session.client.sendBytes(packet);
    expectRefused(session, 'mac');
    expect(session.closes[0]?.message).toBe('message authentication failed');
  });

  test('so does a packet that is not encrypted', () => {
    const session = rawSession();
    session.exchangeKeys();
    session.client.sendBytes(new PacketWriter().packet(Buffer.alloc(100, MSG.CHANNEL_DATA)));
    expect(session.closes[0]?.code).toMatch(/mac|protocol/);
  });

  test.each([MSG.KEX_ECDH_INIT, MSG.KEX_ECDH_REPLY, MSG.NEWKEYS, 22, 49])(
    'message %i outside of an exchange',
    (type) => {
      const session = rawSession();
      session.exchangeKeys();
      session.client.send(Buffer.of(type));
      expectRefused(session);
    },
  );
});
