import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecureContext, type TlsOptions } from 'node:tls';

export type ServingCertificate = { cert: string; key: string };

/**
 * How we serve. With a `clientCA` (PEM) the handshake fails for whoever has no certificate of it, so that nothing of theirs is read:
 * an API server can have one, `AdmissionConfiguration` names its kubeconfig. It says nothing of names: such a CA signs for nobody else.
 */
export const tlsOptions = ({ cert, key }: ServingCertificate, clientCA: string): TlsOptions => ({
  cert,
  key,
  minVersion: 'TLSv1.2',
  ...(clientCA !== '' && { ca: clientCA, requestCert: true, rejectUnauthorized: true }),
});

export async function readCertificate(folder: string): Promise<ServingCertificate> {
  const [cert, key] = await Promise.all(['tls.crt', 'tls.key'].map((file) => readFile(join(folder, file), 'utf8')));
  if (cert === undefined || key === undefined) throw new Error(`${folder} has no certificate`);
  // Throws where the two do not belong together, as between two steps of a change.
  createSecureContext({ cert, key });
  return { cert, key };
}

/**
 * Hands every new certificate in `folder` to `onChange` until `signal` aborts. It polls: a mounted Secret changes by a
 * swap of symbolic links that file watchers miss, and a certificate has days to be noticed.
 * @param onError the files cannot be read or do not match; the last good certificate stays
 */
export function followCertificate(
  { folder, periodMs, current }: { folder: string; periodMs: number; current: ServingCertificate },
  onChange: (certificate: ServingCertificate) => void,
  onError: (error: unknown) => void,
  signal: AbortSignal,
): void {
  let last = current;
  const look = async (): Promise<void> => {
    const next = await readCertificate(folder);
    if (next.cert === last.cert && next.key === last.key) return;
    last = next;
    onChange(next);
  };
  const timer = setInterval(() => void look().catch(onError), periodMs);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}
