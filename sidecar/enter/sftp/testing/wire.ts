/** SFTP version 3 as bytes, written anew from the draft: nothing here is shared with the server under test. */

export const requests = {
  init: 1,
  open: 3,
  close: 4,
  read: 5,
  write: 6,
  lstat: 7,
  fstat: 8,
  setstat: 9,
  fsetstat: 10,
  opendir: 11,
  readdir: 12,
  remove: 13,
  mkdir: 14,
  rmdir: 15,
  realpath: 16,
  stat: 17,
  rename: 18,
  readlink: 19,
  symlink: 20,
  extended: 200,
} as const;

/** Flags of OPEN (section 6.3). */
export const flags = { read: 1, write: 2, append: 4, create: 8, truncate: 16, exclusive: 32 } as const;

export function u8(value: number): Buffer {
  return Buffer.from([value]);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

export function string(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u32(bytes.length), bytes]);
}

export type Attributes = {
  size?: bigint;
  owner?: [uid: number, gid: number];
  permissions?: number;
  times?: [access: number, modification: number];
};

/** ATTRS (section 5). */
export function attributes({ size, owner, permissions, times }: Attributes = {}): Buffer {
  const given =
    (size === undefined ? 0 : 1) |
    (owner === undefined ? 0 : 2) |
    (permissions === undefined ? 0 : 4) |
    (times === undefined ? 0 : 8);
  return Buffer.concat([
    u32(given),
    ...(size === undefined ? [] : [u64(size)]),
    ...(owner ?? []).map(u32),
    ...(permissions === undefined ? [] : [u32(permissions)]),
    ...(times ?? []).map(u32),
  ]);
}

/** A packet of any content, with its length in front. */
export function frame(...content: Buffer[]): Buffer {
  return string(Buffer.concat(content));
}

export function initPacket(version = 3): Buffer {
  return frame(u8(requests.init), u32(version));
}

export function requestPacket(type: keyof typeof requests, id: number, ...fields: Buffer[]): Buffer {
  return frame(u8(requests[type]), u32(id), ...fields);
}
