/** Is the key of the person at the terminal one that may log in? ssh itself says only that it was denied. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Access } from './accesses.ts';
import { Problem } from './problem.ts';

/** `256 SHA256:… comment (ED25519)`. */
const LISTED = /^\d+ (SHA256:\S+) /m;

/** Of a private key, a public one or a certificate. ssh-keygen asks for no passphrase: the public half is in the clear. */
export async function fingerprintOf(file: string): Promise<string> {
  const { stdout } = await promisify(execFile)('ssh-keygen', ['-l', '-E', 'sha256', '-f', file]).catch(
    (error: unknown) => {
      throw new Problem(`ssh-keygen cannot read ${file}; is it a key?`, { cause: error });
    },
  );
  const [, fingerprint] = LISTED.exec(stdout) ?? [];
  if (fingerprint === undefined) throw new Problem(`ssh-keygen says nothing of the key in ${file}`);
  return fingerprint;
}

export const noSuchKey = (fingerprint: string, file: string, access: string): string =>
  `${fingerprint} (${file}) is the key of no user of ${access}`;

/** A line for the key in `file`: whose it is, or that it is nobody's and which would do. */
export function keyLine({ metadata, status }: Access, fingerprint: string, file: string): string {
  const holders = status.users.filter(({ fingerprints }) => fingerprints.includes(fingerprint));
  if (holders.length > 0)
    return `  ${fingerprint} (${file}) is a key of ${holders.map(({ username }) => username).join(', ')}`;
  const known = status.users.map(({ username, fingerprints }) => `${username}: ${fingerprints.join(', ') || 'none'}`);
  return [
    `  ${noSuchKey(fingerprint, file, `${metadata.namespace}/${metadata.name}`)}; these are:`,
    ...known.map((line) => `    ${line}`),
  ].join('\n');
}
