/**
 * One direction's protection. The packet length stays in clear text in every cipher we have (none, AES-GCM, and
 * AES-CTR with an encrypt-then-MAC): so there is one way to find a packet's end, before anything is decrypted.
 *
 * A packet is: uint32 length | byte padding length | payload | padding | tag  (RFC 4253 §6).
 */
export type Shape = {
  /** What `length` is a multiple of. */
  readonly blockSize: number;
  readonly tagLength: number;
  /** Whether the four bytes of the length count for that multiple: only without a cipher (RFC 4253 §6). */
  readonly lengthIsPadded: boolean;
  /** Forgets the keys. Nothing can be sealed or opened after it. */
  release(): void;
};

export type Sealer = Shape & {
  /** Encrypts in place and writes the tag into the room left for it. */
  seal(packet: Buffer, sequence: number): void;
};

export type Opener = Shape & {
  /** Verifies the tag and decrypts in place; throws SshError `mac`. */
  open(packet: Buffer, sequence: number): void;
};

/** What protects (not) the first key exchange. */
export const plain: Sealer & Opener = {
  blockSize: 8,
  tagLength: 0,
  lengthIsPadded: true,
  seal() {},
  open() {},
  release() {},
};

/** The key material of one direction, cut to the lengths that a cipher asked for. */
export type CipherKeys = { key: Buffer; iv: Buffer; macKey: Buffer };
