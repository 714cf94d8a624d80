/** A key pair, and the Secret that brings its public half to the cluster. */
import { stringify } from 'yaml';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';

export type NewKey = { privateKey: string; publicLine: string; fingerprint: string; secret: string };

/**
 * An Ed25519 pair in OpenSSH's formats. The private half is not encrypted: `ssh-keygen -p -f <file>` does that.
 * @param name of the Secret. @param comment ends the public line: whose key it is
 */
export function newKey(name: string, namespace: string | undefined, comment: string): NewKey {
  const key = PrivateKey.generateEd25519();
  const publicLine = `${key.publicKey.toLine()} ${comment}`;
  // On one line, as a person copies it.
  const secret = stringify(
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
      type: 'Opaque',
      stringData: { 'ssh-publickey': `${publicLine}\n` },
    },
    { lineWidth: 0 },
  );
  return { privateKey: key.toOpenSsh(comment), publicLine, fingerprint: key.publicKey.fingerprint, secret };
}
