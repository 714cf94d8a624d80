import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A kubeconfig that holds its certificates itself, so that it can be copied anywhere. */
export async function writeKubeconfig(
  path: string,
  access: { readonly cluster: string; readonly server: string; readonly certificates: string; readonly user: string },
): Promise<void> {
  const base64 = (file: string): Promise<string> => readFile(join(access.certificates, file), 'base64');
  const [authority, certificate, key] = await Promise.all([
    base64('ca.crt'),
    base64(`${access.user}.crt`),
    base64(`${access.user}.key`),
  ]);
  const name = `sshaccess-${access.cluster}`;
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server: access.server, 'certificate-authority-data': authority } }],
    users: [{ name, user: { 'client-certificate-data': certificate, 'client-key-data': key } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  };
  // JSON is YAML, and needs no library.
  await writeFile(path, JSON.stringify(config, null, 2), { mode: 0o600 });
}
