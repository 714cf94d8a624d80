import type { SpawnOptions } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  DEFAULT_POLICIES,
  LABEL_ENDPOINTS,
  LABEL_ROUTE,
  PIPER_HOST_KEY_SUFFIX,
  ROUTE_SECRET_KEYS,
  type Route,
} from '../../crds/index.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { projectFolder } from '../../scripts/places.ts';
import { until } from '../server.ts';
import { answers } from '../sshd-server.ts';

/** Where an OpenSSH client goes, and whose CPU time it costs beside its own and that of the sshd it comes to. */
export type Gateway = {
  name: string;
  port: number;
  user: string;
  /** The user's private key and the public key that must be found there: paths. */
  key: string;
  hostKey: string;
  /** The port of an sshd to jump over (ssh -J). */
  jump?: number;
  pid: number | undefined;
  stop: () => Promise<void>;
};

/** Users of the crowd: a route has no more, and each has no more than 64 sessions. */
export const CROWD_USERS = 64;

/** A pod as a route names it; its user, and the same with -0, -1, … behind it. */
export type Upstream = { user: string; runtime: Route['runtime']; port: number; hostKey: string };

/** A program that listens on a port. */
export async function startProgram(
  words: readonly string[],
  port: number,
  options: SpawnOptions = {},
): Promise<{ pid: number; stop: () => Promise<void> }> {
  const [program = '', ...rest] = words;
  const child = spawn(program, rest, { ...options, stdio: 'ignore' });
  const ended = once(child, 'exit');
  await until(`${program} listens`, async () => {
    if (child.exitCode !== null) throw new Error(`${words.join(' ')} ended with ${child.exitCode}`);
    return (await answers(port)) || undefined;
  });
  const stop = async (): Promise<void> => {
    // At once: nobody is there who would have to be told.
    child.kill('SIGKILL');
    await ended;
  };
  return { pid: child.pid ?? 0, stop };
}

/** The piper's bundle with routes from files: one for each upstream. `key` is the users' and the mapping key at once. */
export async function startPiper(
  folder: string,
  key: string,
  port: number,
  { upstreams, environment = {} }: { upstreams: readonly Upstream[]; environment?: Record<string, string> },
): Promise<Gateway> {
  const routes = join(folder, 'routes');
  const hostKeys = join(folder, 'host-keys');
  await mkdir(routes);
  await mkdir(hostKeys);
  const hostKey = PrivateKey.generateEd25519();
  await writeFile(join(hostKeys, `ed25519-${PIPER_HOST_KEY_SUFFIX}`), hostKey.toOpenSsh());
  await writeFile(join(folder, 'piper.pub'), hostKey.publicKey.toLine());
  for (const upstream of upstreams) await writeFile(join(routes, `${upstream.user}.yaml`), manifests(upstream, key));
  // As the Dockerfile does.
  const words = [
    process.execPath,
    '--max-semi-space-size=4',
    join(projectFolder, 'dist/piper/main.mjs'),
    '--routes',
    routes,
  ];
  const { pid, stop } = await startProgram([...words, '--host-keys', hostKeys, '--port', `${port}`], port, {
    env: {
      ...process.env,
      NODE_ENV: 'production',
      HEALTH_PORT: '0',
      MAX_CONNECTIONS_PER_USER: '1000000',
      ...environment,
    },
  });
  return { name: 'piper', port, user: 'bench', key: '', hostKey: join(folder, 'piper.pub'), pid, stop };
}

function manifests({ user, runtime, port, hostKey }: Upstream, key: string): string {
  const policy = { ...DEFAULT_POLICIES.root, maxSessions: 64 };
  const usernames =
    runtime === 'sidecar' ? Array.from({ length: CROWD_USERS }, (_, index) => `${user}-${index}`) : [user];
  const publicKey = PrivateKey.parse(key).publicKey.toLine();
  const route: Route = {
    version: 1,
    namespace: 'bench',
    name: user,
    uid: user,
    enabled: true,
    service: `${user}-sshaccess`,
    port,
    runtime,
    hostKeys: [hostKey],
    users: usernames.map((username) => ({
      username,
      role: 'root',
      authorizedKeys: [publicKey],
      policy,
      uidOffset: 0,
    })),
  };
  const secret = {
    kind: 'Secret',
    metadata: { name: user, namespace: 'system', labels: { [LABEL_ROUTE]: 'true' } },
    stringData: { [ROUTE_SECRET_KEYS.route]: JSON.stringify(route), [ROUTE_SECRET_KEYS.mappingKey]: key },
  };
  const labels = { [LABEL_ENDPOINTS]: user, 'kubernetes.io/service-name': route.service };
  const slice = {
    kind: 'EndpointSlice',
    metadata: { name: user, namespace: 'bench', labels },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['127.0.0.1'], targetRef: { name: user } }],
  };
  // JSON is YAML.
  return [secret, slice].map((manifest) => JSON.stringify(manifest)).join('\n---\n');
}

/** sshpiperd with its yaml plugin, from the program that SSHPIPERD names; the plugin is `yaml` beside it. */
export async function startSshpiperd(
  program: string,
  folder: string,
  port: number,
  to: { port: number; user: string; key: string },
): Promise<Gateway> {
  const hostKey = PrivateKey.generateEd25519();
  const file = (name: string): string => join(folder, name);
  await writeFile(file('sshpiperd-host-key'), hostKey.toOpenSsh(), { mode: 0o600 });
  await writeFile(file('sshpiperd.pub'), hostKey.publicKey.toLine());
  const pipe = {
    from: [{ username: to.user, authorized_keys: `${to.key}.pub` }],
    to: { host: `127.0.0.1:${to.port}`, username: to.user, private_key: to.key, ignore_hostkey: true },
  };
  await writeFile(file('sshpiperd.yaml'), JSON.stringify({ version: '1.0', pipes: [pipe] }), { mode: 0o400 });
  const words = [program, '--address', '127.0.0.1', '--port', `${port}`, '--log-level', 'error'];
  const plugin = [join(program, '../yaml'), '--config', file('sshpiperd.yaml')];
  const { pid, stop } = await startProgram([...words, '--server-key', file('sshpiperd-host-key'), ...plugin], port);
  return { name: 'sshpiperd', port, user: to.user, key: to.key, hostKey: file('sshpiperd.pub'), pid, stop };
}
