/** The sidecar's bundle, started with the words of its container, in the pod of the app. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { DEFAULT_POLICIES, type IdentityAssertion, POD_SECRET_KEYS, SIDECAR_ENV } from '../crds/index.ts';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { projectFolder } from '../scripts/places.ts';
import { SIDECAR_ARGUMENTS } from '../webhook/sidecar-command.ts';
import { childrenOf } from './accounting.ts';
import { type App, CONTAINER } from './app.ts';
import { type Server, until } from './server.ts';

const dist = join(projectFolder, 'dist');

const assertion: IdentityAssertion = {
  version: 1,
  username: 'bench',
  role: 'root',
  policy: DEFAULT_POLICIES.root,
  uidOffset: 0,
  fingerprint: 'SHA256:bench',
  clientAddress: '127.0.0.1',
  clientPort: 40_000,
  connectionId: 'bench',
};

/** `listeningMs`: from its start until a connection is accepted. */
export type SidecarServer = Server & { listeningMs: number };

/** @param metricsPort 0: none, as by default */
export async function startSidecar({ pod }: App, port: number, metricsPort = 0): Promise<SidecarServer> {
  const secret = await mkdtemp(join(tmpdir(), 'bench-sidecar-'));
  const file = (name: string): string => join(secret, name);
  const [hostKey, mappingKey] = [PrivateKey.generateEd25519(), PrivateKey.generateEd25519()];
  const ceiling = { version: 1, roles: DEFAULT_POLICIES, auditLogging: true };
  await writeFile(file(POD_SECRET_KEYS.hostKey), hostKey.toOpenSsh());
  await writeFile(file(POD_SECRET_KEYS.mappingKeyPublic), mappingKey.publicKey.toLine());
  await writeFile(file(POD_SECRET_KEYS.ceiling), JSON.stringify(ceiling));
  await writeFile(file('key'), mappingKey.toOpenSsh(), { mode: 0o600 });
  await writeFile(file('host-key.pub'), hostKey.publicKey.toLine());

  const [program = '', ...words] = [...pod.enter([]).slice(0, -1), ...commandLine()];
  const begin = performance.now();
  const child = spawn(program, words, {
    env: {
      PATH: process.env['PATH'],
      ...(await imageEnvironment()),
      [SIDECAR_ENV.container]: CONTAINER,
      [SIDECAR_ENV.sessionEntry]: 'chroot',
      [SIDECAR_ENV.rootUid]: '0',
      ...(metricsPort !== 0 && { [SIDECAR_ENV.metricsPort]: `${metricsPort}` }),
      SSHACCESS_PORT: `${port}`,
      SSHACCESS_SECRET_PATH: secret,
      SSHACCESS_ENTER_PATH: join(dist, 'tools/enter'),
      SSHACCESS_BUSYBOX_PATH: join(dist, 'tools/busybox'),
    },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const listeningMs = await new Promise<number>((resolve, reject) => {
    child.stdout.on('data', (lines: Buffer) => {
      if (lines.includes('"listening"')) resolve(performance.now() - begin);
    });
    child.once('exit', () => reject(new Error('the sidecar ended before it listened')));
  });
  // nsenter forks, and the others of the command line become what they start.
  const pid = await until('the sidecar runs', () => childrenOf(child.pid ?? 0)[0]);
  return {
    name: 'sidecar',
    target: {
      address: `127.0.0.1:${port}`,
      user: 'bench',
      key: file('key'),
      hostKey: file('host-key.pub'),
      assertion: JSON.stringify(assertion),
    },
    pid,
    listeningMs,
    stop: async () => {
      const ended = once(child, 'exit');
      process.kill(pid);
      await ended;
      await rm(secret, { recursive: true });
    },
  };
}

/** As in the pod, but for where Node and the bundle are. */
const commandLine = (): string[] =>
  SIDECAR_ARGUMENTS.map((word) => {
    if (word === 'node') return process.execPath;
    return word.startsWith('/') ? join(dist, 'sidecar', basename(word)) : word;
  });

/** What the Dockerfile says for the sidecar. */
async function imageEnvironment(): Promise<Record<string, string>> {
  const stages = (await readFile(join(projectFolder, 'Dockerfile'), 'utf8')).split(/^FROM /m);
  const stage = stages.find((text) => /^\S+ AS sidecar\n/.test(text)) ?? '';
  const words = [...stage.matchAll(/^ENV (.*)$/gm)].flatMap(([, line = '']) => line.split(' '));
  return Object.fromEntries(words.map((word) => word.split('=')));
}
