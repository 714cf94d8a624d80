import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { CipherKeys, Opener, Sealer } from './cipher.ts';
import { ctrOpener, ctrSealer } from './ctr-etm.ts';
import { gcmOpener, gcmSealer, nodeGcmOpener, nodeGcmSealer } from './gcm.ts';
import { nativeCiphersAvailable, nativeCiphersProblem } from './native.ts';
import { suiteOf } from './suites.ts';

function keysOf(keyLength: number, ivLength: number, macKeyLength: number): CipherKeys {
  return { key: randomBytes(keyLength), iv: randomBytes(ivLength), macKey: randomBytes(macKeyLength) };
}

/** A packet of `blocks` blocks, with room for the tag. */
function packetOf(blocks: number, tagLength: number): Buffer {
  const packet = Buffer.alloc(4 + blocks * 16 + tagLength, 0x5a);
  packet.writeUInt32BE(blocks * 16);
  return packet;
}

type Case = { name: string; make: () => { sealer: Sealer; opener: Opener } };

const cases: Case[] = [];
for (const [name, bits] of [
  ['aes-128-gcm', 16],
  ['aes-256-gcm', 32],
] as const) {
  const gcm = (sealer: typeof gcmSealer, opener: typeof gcmOpener) => () => {
    const keys = keysOf(bits, 12, 0);
    return { sealer: sealer(name, keys), opener: opener(name, keys) };
  };
  cases.push(
    { name, make: gcm(gcmSealer, gcmOpener) },
    { name: `${name}, node:crypto both ways`, make: gcm(nodeGcmSealer, nodeGcmOpener) },
    { name: `${name}, addon to node:crypto`, make: gcm(gcmSealer, nodeGcmOpener) },
    { name: `${name}, node:crypto to addon`, make: gcm(nodeGcmSealer, gcmOpener) },
  );
}
for (const [name, length] of [
  ['aes-128-ctr', 16],
  ['aes-256-ctr', 32],
] as const) {
  for (const [hash, macKeyLength] of [
    ['sha256', 32],
    ['sha512', 64],
  ] as const) {
    const make = (): { sealer: Sealer; opener: Opener } => {
      const keys = keysOf(length, 16, macKeyLength);
      return { sealer: ctrSealer(name, hash, keys), opener: ctrOpener(name, hash, keys) };
    };
    cases.push({ name: `${name} with ${hash}`, make });
  }
}

test('the addon is here: without it the piper refuses to start', () => {
  expect(nativeCiphersProblem).toBeUndefined();
  expect(nativeCiphersAvailable).toBe(true);
});

describe.each(cases)('$name', ({ make }) => {
  test('opens what it sealed, packet after packet, and leaves the length readable', () => {
    const { sealer, opener } = make();
    for (let sequence = 0; sequence < 20; sequence++) {
      const packet = packetOf(1 + sequence * 7, sealer.tagLength);
      const clear = Buffer.from(packet.subarray(0, packet.length - sealer.tagLength));
      sealer.seal(packet, sequence);
      expect(packet.subarray(4, clear.length)).not.toEqual(clear.subarray(4));
      expect(packet.readUInt32BE()).toBe(clear.readUInt32BE());
      opener.open(packet, sequence);
      expect(packet.subarray(0, clear.length)).toEqual(clear);
    }
  });

  test('refuses a flipped bit anywhere', () => {
    const { sealer } = make();
    const size = packetOf(1, sealer.tagLength).length;
    for (let at = 0; at < size; at++) {
      const fresh = make();
      const packet = packetOf(1, sealer.tagLength);
      fresh.sealer.seal(packet, 0);
      packet.writeUInt8(packet.readUInt8(at) ^ 0x80, at);
      expect(() => fresh.opener.open(packet, 0)).toThrow(expect.objectContaining({ code: 'mac' }));
    }
  });

  test('refuses a packet that came before, or was left out', () => {
    const { sealer, opener } = make();
    const [first, second, third] = [0, 1, 2].map((sequence) => {
      const packet = packetOf(2, sealer.tagLength);
      sealer.seal(packet, sequence);
      return packet;
    });
    if (first === undefined || second === undefined || third === undefined) throw new Error('three were made');
    const again = Buffer.from(first);
    opener.open(first, 0);
    expect(() => opener.open(again, 1)).toThrow(expect.objectContaining({ code: 'mac' }));
    const fresh = make().opener;
    expect(() => fresh.open(third, 2)).toThrow(expect.objectContaining({ code: 'mac' }));
  });
});

test('AES-GCM never hands the addon a packet that is too short for it', () => {
  const keys = keysOf(16, 12, 0);
  for (const length of [0, 4, 16, 35]) {
    expect(() => gcmSealer('aes-128-gcm', keys).seal(Buffer.alloc(length), 0)).toThrow('too short');
    expect(() => gcmOpener('aes-128-gcm', keys).open(Buffer.alloc(length), 0)).toThrow('too short');
  }
});

// RFC 5647 §7.1: 64 bits that wrap, without a carry into the fixed field.
test('the invocation counter carries as in the addon', () => {
  const keys = { ...keysOf(16, 12, 0), iv: Buffer.from('00000000ffffffffffffffff', 'hex') };
  const native = gcmSealer('aes-128-gcm', keys);
  const node = nodeGcmSealer('aes-128-gcm', keys);
  for (let sequence = 0; sequence < 3; sequence++) {
    const one = packetOf(2, 16);
    const other = packetOf(2, 16);
    native.seal(one, sequence);
    node.seal(other, sequence);
    expect(one).toEqual(other);
  }
});

test('a cipher without a MAC is not to be had', () => {
  expect(() => suiteOf('aes128-ctr', '')).toThrow(expect.objectContaining({ code: 'key-exchange' }));
  expect(() => suiteOf('none', 'hmac-sha2-256-etm@openssh.com')).toThrow();
});

test('a released cipher refuses instead of reading freed memory, and may be released twice', () => {
  const keys = keysOf(16, 12, 0);
  const sealer = gcmSealer('aes-128-gcm', keys);
  const opener = gcmOpener('aes-128-gcm', keys);
  for (const cipher of [sealer, opener, sealer, opener]) cipher.release();
  expect(() => sealer.seal(packetOf(1, 16), 0)).toThrow(expect.objectContaining({ code: 'internal' }));
  expect(() => opener.open(packetOf(1, 16), 0)).toThrow(expect.objectContaining({ code: 'internal' }));
});
