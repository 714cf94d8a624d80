import { describe, expect, test } from 'vitest';
import { suiteOf } from './ciphers/suites.ts';
import { MAX_PACKET_LENGTH, PacketReader, PacketWriter, SMALL_PACKET_LENGTH } from './packets.ts';

const ENCRYPT_AND_MAC = 'aes128-ctr, hmac-sha2-256';

function encrypted(protection: string): { reader: PacketReader; writer: PacketWriter } {
  const [cipher = '', mac = 'hmac-sha2-256-etm@openssh.com'] = protection.split(', ');
  const suite = suiteOf(cipher, mac);
  const keys = {
    key: Buffer.alloc(suite.keyLength, 1),
    iv: Buffer.alloc(suite.ivLength, 2),
    macKey: Buffer.alloc(suite.macKeyLength, 3),
  };
  const reader = new PacketReader();
  const writer = new PacketWriter();
  reader.changeKeys(suite.opener(keys), true);
  reader.maxPacketLength = MAX_PACKET_LENGTH;
  writer.changeKeys(suite.sealer(keys), true);
  return { reader, writer };
}

function readAll(reader: PacketReader, stream: Buffer, chunkSize: number): Buffer[] {
  const payloads: Buffer[] = [];
  for (let at = 0; at < stream.length; at += chunkSize) {
    // A copy, because it is decrypted in place.
    reader.feed(Buffer.from(stream.subarray(at, at + chunkSize)));
    for (let payload = reader.next(); payload !== undefined; payload = reader.next()) {
      payloads.push(Buffer.from(payload));
    }
  }
  return payloads;
}

describe.each(['plain', 'aes128-gcm@openssh.com', 'aes256-ctr', ENCRYPT_AND_MAC])('%s', (cipher) => {
  test.each([1, 3, 5, 16, 1000, 65_536, 1_000_000])('payloads arrive whole in chunks of %i bytes', (chunkSize) => {
    const { reader, writer } =
      cipher === 'plain' ? { reader: new PacketReader(), writer: new PacketWriter() } : encrypted(cipher);
    const payloads = [1, 2, 11, 12, 13, 27, 28, 29, 255, 32_768].map((length) => Buffer.alloc(length, length));
    const stream = Buffer.concat(payloads.map((payload) => writer.packet(payload)));
    expect(readAll(reader, stream, chunkSize)).toEqual(payloads);
  });

  test('padding is 4 … 255 bytes, to a multiple of the block, and no packet is smaller than 16 bytes', () => {
    for (let length = 1; length < 70; length++) {
      const isPlain = cipher === 'plain';
      const writer = isPlain ? new PacketWriter() : encrypted(cipher).writer;
      const packet = writer.packet(Buffer.alloc(length));
      // The length itself may be encrypted.
      const tagLength = isPlain ? 0 : cipher.includes('gcm') ? 16 : 32;
      const packetLength = packet.length - 4 - tagLength;
      const isLengthPadded = isPlain || cipher === ENCRYPT_AND_MAC;
      expect((packetLength + (isLengthPadded ? 4 : 0)) % (isPlain ? 8 : 16)).toBe(0);
      expect(packetLength + 4).toBeGreaterThanOrEqual(16);
      if (isPlain) expect(packet.readUInt8(4)).toBeGreaterThanOrEqual(4);
      const reader = isPlain ? new PacketReader() : encrypted(cipher).reader;
      reader.feed(packet);
      expect(reader.next()).toHaveLength(length);
    }
  });
});

test('the sequence number wraps, and is reset by strict key exchange only', () => {
  const { reader, writer } = encrypted('aes128-gcm@openssh.com');
  reader.feed(Buffer.concat([writer.packet(Buffer.of(90)), writer.packet(Buffer.of(91))]));
  reader.next();
  reader.next();
  expect(reader.lastSequence).toBe(1);
  const again = encrypted('aes128-gcm@openssh.com');
  reader.changeKeys(
    suiteOf('aes128-gcm@openssh.com', '').opener({
      key: Buffer.alloc(16, 1),
      iv: Buffer.alloc(12, 2),
      macKey: Buffer.alloc(0),
    }),
    false,
  );
  reader.feed(again.writer.packet(Buffer.of(92)));
  reader.next();
  expect(reader.lastSequence).toBe(2);
  expect(reader.packetsSinceKeys).toBe(1);
});

test('where the length is encrypted, what is left to the caller in the middle of a packet is read once', () => {
  const { reader, writer } = encrypted(ENCRYPT_AND_MAC);
  const payloads = [Buffer.alloc(40, 1), Buffer.alloc(400, 2)];
  const stream = Buffer.concat(payloads.map((payload) => writer.packet(payload)));
  const found: Buffer[] = [];
  let rest = Buffer.alloc(0);
  for (const byte of stream) {
    const chunk = Buffer.concat([rest, Buffer.of(byte)]);
    reader.feed(chunk, 1024);
    for (let payload = reader.next(); payload !== undefined; payload = reader.next()) found.push(Buffer.from(payload));
    rest = Buffer.from(chunk.subarray(chunk.length - reader.rest));
  }
  expect(found).toEqual(payloads);
});

test('where the length is encrypted, a flipped bit anywhere ends the connection', () => {
  const size = encrypted(ENCRYPT_AND_MAC).writer.packet(Buffer.alloc(20)).length;
  for (let at = 0; at < size; at++) {
    const { reader, writer } = encrypted(ENCRYPT_AND_MAC);
    const packet = writer.packet(Buffer.alloc(20));
    packet.writeUInt8(packet.readUInt8(at) ^ 1, at);
    // Perhaps it has become longer.
    reader.feed(Buffer.concat([packet, Buffer.alloc(200_000)]));
    expect(() => reader.next()).toThrow(expect.objectContaining({ name: 'SshError' }));
  }
  const { reader, writer } = encrypted(ENCRYPT_AND_MAC);
  writer.packet(Buffer.alloc(20));
  reader.feed(writer.packet(Buffer.alloc(20)));
  expect(() => reader.next()).toThrow(expect.objectContaining({ name: 'SshError' }));
});

describe('B5: ends the connection', () => {
  const header = (length: number, padding: number, total = length + 4): Buffer => {
    const packet = Buffer.alloc(total);
    packet.writeUInt32BE(length);
    if (total > 4) packet.writeUInt8(padding, 4);
    return packet;
  };

  test.each([
    ['a length of 0', header(0, 0, 16)],
    ['a length of 4', header(4, 4, 16)],
    ['not a multiple of the block', header(13, 4)],
    ['4 GiB', header(0xfffffffc, 4, 8)],
    ['more than a stranger may send', header(SMALL_PACKET_LENGTH + 4, 4, 8)],
    ['too little padding', header(12, 3)],
    ['no payload', header(12, 11)],
    ['padding longer than the packet', header(12, 255)],
  ])('%s', (_what, packet) => {
    const reader = new PacketReader();
    reader.feed(packet);
    expect(() => reader.next()).toThrow(expect.objectContaining({ code: 'protocol' }));
  });

  test('a length is checked as soon as it is there, before the rest is waited for', () => {
    const { reader } = encrypted('aes128-gcm@openssh.com');
    for (const byte of [0xff, 0xff, 0xff]) {
      reader.feed(Buffer.of(byte));
      expect(reader.next()).toBeUndefined();
    }
    reader.feed(Buffer.of(0xf0));
    expect(() => reader.next()).toThrow(expect.objectContaining({ code: 'protocol' }));
  });
});

test('payloads of 256 KiB pass once large packets are allowed', () => {
  const { reader, writer } = encrypted('aes128-gcm@openssh.com');
  const payload = Buffer.alloc(256 * 1024 + 9, 7);
  expect(readAll(reader, writer.packet(payload), 16_384)).toEqual([payload]);
});
