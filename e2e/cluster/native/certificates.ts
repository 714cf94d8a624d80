import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../../scripts/machine/command.ts';

interface Identity {
  readonly file: string;
  /** `O` is the group, `CN` the user that RBAC sees. */
  readonly subject: string;
  readonly names?: string;
}

const identities = (nodeName: string, nodeAddress: string): readonly Identity[] => [
  {
    file: 'apiserver',
    subject: '/CN=kube-apiserver',
    names: `IP:${nodeAddress},IP:127.0.0.1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default.svc`,
  },
  { file: 'kubelet-serving', subject: `/CN=${nodeName}`, names: `IP:${nodeAddress},DNS:${nodeName}` },
  { file: 'admin', subject: '/O=system:masters/CN=admin' },
  { file: 'controller-manager', subject: '/CN=system:kube-controller-manager' },
  { file: 'scheduler', subject: '/CN=system:kube-scheduler' },
  { file: 'proxy', subject: '/CN=system:kube-proxy' },
  { file: 'kubelet', subject: `/O=system:nodes/CN=system:node:${nodeName}` },
];

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'] as const;

/** A certificate authority, a certificate for each program, and the key that signs service accounts' tokens. */
export async function makeCertificates(folder: string, nodeName: string, nodeAddress: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const at = (file: string): string => join(folder, file);
  // The machine's openssl.cnf may add extensions of its own; ours adds none.
  await writeFile(at('openssl.cnf'), '[req]\ndistinguished_name = dn\n[dn]\n');
  const request = ['req', '-config', at('openssl.cnf'), '-x509', ...newKey, '-days', '365'];
  const authority = [
    '-addext',
    'basicConstraints=critical,CA:TRUE',
    '-addext',
    'keyUsage=keyCertSign,digitalSignature',
  ];
  const output = (name: string): string[] => ['-keyout', at(`${name}.key`), '-out', at(`${name}.crt`)];
  await run('openssl', [...request, '-subj', '/CN=sshaccess-cluster-ca', ...authority, ...output('ca')]);
  await run('openssl', [
    'genpkey',
    '-algorithm',
    'RSA',
    '-pkeyopt',
    'rsa_keygen_bits:2048',
    '-out',
    at('accounts.key'),
  ]);
  await run('openssl', ['pkey', '-in', at('accounts.key'), '-pubout', '-out', at('accounts.pub')]);

  // Of nobody's CA: it says to webhooks that the API server calls, and nothing to the API server.
  await run('openssl', [...request, '-subj', '/CN=kube-apiserver', ...authority, ...output('webhook-client')]);

  const signed = ['-CA', at('ca.crt'), '-CAkey', at('ca.key')];
  for (const { file, subject, names } of identities(nodeName, nodeAddress)) {
    const extensions = ['basicConstraints=critical,CA:FALSE', 'extendedKeyUsage=serverAuth,clientAuth'];
    if (names !== undefined) extensions.push(`subjectAltName=${names}`);
    const added = extensions.flatMap((extension) => ['-addext', extension]);
    await run('openssl', [...request, ...signed, '-subj', subject, ...added, ...output(file)]);
  }
}
