import type { PublicKey } from './public-key.ts';

export class PrivateKey {
  readonly publicKey: PublicKey;

  private constructor(publicKey: PublicKey) {
    this.publicKey = publicKey;
  }

  static parse(_pem: string): PrivateKey {
    throw new Error('not written yet');
  }

  static generateEd25519(): PrivateKey {
    throw new Error('not written yet');
  }

  sign(_algorithm: string, _data: Buffer): Buffer {
    throw new Error('not written yet');
  }

  toOpenSsh(_comment?: string): string {
    throw new Error('not written yet');
  }
}
