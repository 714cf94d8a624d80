/** A public key as SSH knows it. */
export class PublicKey {
  readonly type: string;
  readonly blob: Buffer;
  readonly fingerprint: string;
  readonly signatureAlgorithms: readonly string[];

  private constructor(type: string, blob: Buffer) {
    this.type = type;
    this.blob = blob;
    this.fingerprint = '';
    this.signatureAlgorithms = [];
  }

  static fromBlob(_blob: Buffer): PublicKey {
    throw new Error('not written yet');
  }

  static fromLine(_line: string): PublicKey {
    throw new Error('not written yet');
  }

  toLine(_comment?: string): string {
    throw new Error('not written yet');
  }

  equals(_other: PublicKey): boolean {
    throw new Error('not written yet');
  }

  verify(_algorithm: string, _data: Buffer, _signature: Buffer): boolean {
    throw new Error('not written yet');
  }
}
