import { randomBytes } from 'node:crypto';
import { MSG } from '../numbers.ts';
import { Reader, Writer } from '../wire.ts';
import type { Algorithms } from './algorithms.ts';

/** SSH_MSG_KEXINIT (RFC 4253 §7.1). Languages are read and forgotten. */
export type Kexinit = {
  kex: string[];
  hostKey: string[];
  cipherToServer: string[];
  cipherToClient: string[];
  macToServer: string[];
  macToClient: string[];
  compressionToServer: string[];
  compressionToClient: string[];
  firstKexPacketFollows: boolean;
};

/** `markers` are the names in the kex list that are no algorithms: strict-KEX and ext-info. */
export function writeKexinit(algorithms: Algorithms, markers: readonly string[]): Buffer {
  return new Writer(1024)
    .byte(MSG.KEXINIT)
    .raw(randomBytes(16))
    .nameList([...algorithms.kex, ...markers])
    .nameList(algorithms.hostKey)
    .nameList(algorithms.cipher)
    .nameList(algorithms.cipher)
    .nameList(algorithms.mac)
    .nameList(algorithms.mac)
    .nameList(['none'])
    .nameList(['none'])
    .nameList([])
    .nameList([])
    .boolean(false)
    .uint32(0)
    .bytes();
}

export function readKexinit(payload: Buffer): Kexinit {
  const reader = new Reader(payload, 1);
  reader.raw(16);
  const kexinit = {
    kex: reader.nameList(),
    hostKey: reader.nameList(),
    cipherToServer: reader.nameList(),
    cipherToClient: reader.nameList(),
    macToServer: reader.nameList(),
    macToClient: reader.nameList(),
    compressionToServer: reader.nameList(),
    compressionToClient: reader.nameList(),
  };
  reader.nameList();
  reader.nameList();
  const firstKexPacketFollows = reader.boolean();
  reader.uint32();
  reader.end();
  return { ...kexinit, firstKexPacketFollows };
}
