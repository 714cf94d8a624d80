/**
 * One direction's protection. The packet length is in clear text in nearly every cipher we have (none, AES-GCM, and
 * AES-CTR with an encrypt-then-MAC); with a MAC over the plaintext it is in the first block, which is opened alone.
 *
 * A packet is: uint32 length | byte padding length | payload | padding | tag  (RFC 4253 §6).
 */
export type Shape = {
  /** What `length` is a multiple of. */
  readonly blockSize: number;
  readonly tagLength: number;
  /** Whether the four bytes of the length count for that multiple, as where they are encrypted, too (RFC 4253 §6). */
  readonly lengthIsPadded: boolean;
  /** Forgets the keys. Nothing can be sealed or opened after it. */
  release(): void;
};

export type Sealer = Shape & {
  /** Encrypts in place and writes the tag into the room left for it. */
  seal(packet: Buffer, sequence: number): void;
};

export type Opener = Shape & {
  /** How much of a packet must be there before its length is known: the length, or the block that it is in. */
  readonly headLength: number;
  /** The length of the packet that begins at `at`, as often as it is asked for until that is opened. */
  lengthOf(bytes: Buffer, at: number): number;
  /** Verifies the tag and decrypts in place; throws SshError `mac`. */
  open(packet: Buffer, sequence: number): void;
};

/** The head of a packet whose length anybody can read. */
export const clearHead: Pick<Opener, 'headLength' | 'lengthOf'> = {
  headLength: 4,
  lengthOf: (bytes, at) => bytes.readUInt32BE(at),
};

/** What protects (not) the first key exchange. */
export const plain: Sealer & Opener = {
  blockSize: 8,
  tagLength: 0,
  lengthIsPadded: true,
  ...clearHead,
  seal() {},
  open() {},
  release() {},
};

/** The key material of one direction, cut to the lengths that a cipher asked for. */
export type CipherKeys = { key: Buffer; iv: Buffer; macKey: Buffer };
