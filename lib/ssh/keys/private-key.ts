import type { KeyObject } from 'node:crypto';
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { SshError } from '../errors.ts';
import { blobOf } from './blob-of.ts';
import { isOpenSshKey, readOpenSshKey, writeOpenSshEd25519 } from './openssh-key.ts';
import { PublicKey } from './public-key.ts';
import { makeSignature } from './signature.ts';

const PKCS8 = /^\s*-----BEGIN PRIVATE KEY-----/;

/** A private key for host keys and mapping keys. It never shows itself in an error, a log or JSON. */
export class PrivateKey {
  readonly publicKey: PublicKey;
  readonly #keyObject: KeyObject;

  private constructor(keyObject: KeyObject, publicBlob?: Buffer) {
    this.#keyObject = keyObject;
    this.publicKey = PublicKey.fromBlob(blobOf(createPublicKey(keyObject)));
    if (publicBlob !== undefined && !this.publicKey.blob.equals(publicBlob)) {
      throw new SshError('key', 'the private key does not belong to the public key beside it');
    }
  }

  /** Reads unencrypted openssh-key-v1 and PKCS#8; throws SshError `key`. */
  static parse(pem: string): PrivateKey {
    if (isOpenSshKey(pem)) {
      const { keyObject, publicBlob } = readOpenSshKey(pem);
      return new PrivateKey(keyObject, publicBlob);
    }
    if (!PKCS8.test(pem)) {
      throw new SshError('key', 'a private key must be an unencrypted OpenSSH key or PKCS#8 PEM');
    }
    let keyObject: KeyObject;
    try {
      keyObject = createPrivateKey(pem);
    } catch {
      // Without the cause: its message may quote what it could not read.
      throw new SshError('key', 'the private key is damaged');
    }
    return new PrivateKey(keyObject);
  }

  static generateEd25519(): PrivateKey {
    return new PrivateKey(generateKeyPairSync('ed25519').privateKey);
  }

  /** Returns a signature blob. The algorithm is one of the public key's signatureAlgorithms. */
  sign(algorithm: string, data: Buffer): Buffer {
    if (!this.publicKey.signatureAlgorithms.includes(algorithm)) {
      throw new SshError('internal', 'this key does not sign with the algorithm asked for');
    }
    return makeSignature(this.#keyObject, this.publicKey.keyType, algorithm, data);
  }

  /** openssh-key-v1, unencrypted; ed25519 only, because that is the only kind we make. */
  toOpenSsh(comment = ''): string {
    if (this.publicKey.type !== 'ssh-ed25519') {
      throw new SshError('internal', 'only ed25519 keys are written in OpenSSH format');
    }
    return writeOpenSshEd25519(this.#keyObject, this.publicKey.blob, comment);
  }
}
