/** Piper and pod as processes of their own on loopback, without a cluster: files in place of the API server. */
import type { ChildProcess } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import {
  DEFAULT_POLICIES,
  LABEL_ENDPOINTS,
  LABEL_ROUTE,
  ROUTE_SECRET_KEYS,
  type Ceiling,
  type Role,
  type Route,
  type Runtime,
} from '../../crds/index.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { run, type Finished, type RunOptions } from '../support/process.ts';
import { type LogLine, start, stop } from './programs.ts';
import { startSidecar } from './sidecar-pod.ts';

export type User = { username: string; keyFile: string };
export type Stack = {
  root: User;
  limited: User;
  folder: string;
  /** A folder in which sessions may write: they run as other uids than we. */
  remote: string;
  port: number;
  /** The options of every OpenSSH client here, then what is given. */
  options: (user: User, ...more: string[]) => string[];
  /** Runs `ssh` with options and, as the last argument, a command. */
  ssh: (user: User, args: readonly string[], options?: RunOptions) => Promise<Finished>;
  /** Writes the route anew; undefined: takes it away. */
  setRoute: (changes: Partial<Route> | undefined) => Promise<void>;
  route: Route;
  piperLog: LogLine[];
  piper: ChildProcess;
  pod: ChildProcess;
  podPort: number;
  keys: Keys;
  auditLines: string[];
  stop: () => Promise<void>;
};

const keys = () => ({
  piper: PrivateKey.generateEd25519(),
  pod: PrivateKey.generateEd25519(),
  mapping: PrivateKey.generateEd25519(),
  root: PrivateKey.generateEd25519(),
  limited: PrivateKey.generateEd25519(),
});
export type Keys = ReturnType<typeof keys>;

/** What serves ssh at the end of the wire, as a process of its own; `lines` is what it says on stderr. */
export type Pod = {
  runtime: Runtime;
  child: ChildProcess;
  port: number;
  lines: string[];
  /** Whom everybody logs in as, where it knows none of the users. */
  upstreamUser?: string;
  stop: () => Promise<void>;
};

/** Starts one that has these keys, and whose Secret bounds what is asserted to it. */
export type StartPod = (folder: string, made: Keys, roles: Ceiling['roles']) => Promise<Pod>;

function routeOf({ runtime, port }: Pod, made: Keys, roles: Ceiling['roles']): Route {
  const user = (username: string, role: Role) => ({
    username,
    role,
    authorizedKeys: [made[role].publicKey.toLine()],
    policy: roles[role] ?? DEFAULT_POLICIES[role],
    uidOffset: 0,
  });
  return {
    version: 1,
    namespace: 'acme',
    name: 'hello',
    uid: 'u-1',
    enabled: true,
    service: 'hello-sshaccess',
    port,
    runtime,
    hostKeys: [made.pod.publicKey.toLine()],
    users: [user('acme-hello', 'root'), user('acme-hello-dev', 'limited')],
  };
}

/** The two objects of one workload, as the operator and Kubernetes would write them. */
function manifests(route: Route, mappingKey: PrivateKey): string {
  const secret = {
    kind: 'Secret',
    metadata: { name: 'route-u-1', namespace: 'sshaccess-system', labels: { [LABEL_ROUTE]: 'true' } },
    stringData: {
      [ROUTE_SECRET_KEYS.route]: JSON.stringify(route),
      [ROUTE_SECRET_KEYS.mappingKey]: mappingKey.toOpenSsh(),
    },
  };
  const labels = { [LABEL_ENDPOINTS]: route.name, 'kubernetes.io/service-name': route.service };
  const slice = {
    kind: 'EndpointSlice',
    metadata: { name: 'hello-1', namespace: route.namespace, labels },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['127.0.0.1'], conditions: { serving: true }, targetRef: { name: 'hello-0' } }],
  };
  return `${stringify(secret)}---\n${stringify(slice)}`;
}

/** There is no app here, and the sidecar says so on stderr in each session. */
function withoutNotice(finished: Finished): Finished {
  return { ...finished, stderr: finished.stderr.replace(/^sshaccess: container .* this is the toolbox.*\n/m, '') };
}

async function writeUser(folder: string, username: string, key: PrivateKey): Promise<User> {
  const keyFile = join(folder, username);
  await writeFile(keyFile, key.toOpenSsh(), { mode: 0o600 });
  return { username, keyFile };
}

/** Starts both programs, with a user of each role who may do all that it may, and writes keys and known_hosts for OpenSSH's client. */
export async function startStack(
  piperEnvironment: NodeJS.ProcessEnv = {},
  roles: Ceiling['roles'] = DEFAULT_POLICIES,
  startPod: StartPod = startSidecar,
): Promise<Stack> {
  const folder = await mkdtemp(join(tmpdir(), 'wire-'));
  const made = keys();
  const remote = join(folder, 'remote');
  await mkdir(remote);
  await chmod(folder, 0o711);
  await chmod(remote, 0o777);
  const pod = await startPod(folder, made, roles);
  const route = routeOf(pod, made, roles);
  const [routes, hostKeys] = [join(folder, 'routes'), join(folder, 'host-keys')];
  await mkdir(routes);
  await mkdir(hostKeys);
  await writeFile(join(hostKeys, 'ed25519-host-key'), made.piper.toOpenSsh());
  const setRoute: Stack['setRoute'] = async (changes) => {
    if (changes === undefined) return rm(join(routes, 'hello.yaml'));
    const { users = route.users } = changes;
    const known = users.map((user) => ({ ...user, upstreamUser: pod.upstreamUser }));
    await writeFile(join(routes, 'hello.tmp'), manifests({ ...route, ...changes, users: known }, made.mapping));
    await rename(join(routes, 'hello.tmp'), join(routes, 'hello.yaml'));
  };
  await setRoute({});
  const files = ['--routes', routes, '--host-keys', hostKeys, '--port', '0'];
  const piper = await start('piper/main.ts', files, { HEALTH_PORT: '0', ...piperEnvironment });
  const knownHosts = join(folder, 'known_hosts');
  await writeFile(knownHosts, `[127.0.0.1]:${piper.port} ${made.piper.publicKey.toLine()}\n`);
  const options: Stack['options'] = (user, ...more) => {
    const fixed = ['BatchMode=yes', 'IdentitiesOnly=yes', `UserKnownHostsFile=${knownHosts}`, 'LogLevel=ERROR'];
    return [
      '-F',
      'none',
      '-i',
      user.keyFile,
      ...[...fixed, 'StrictHostKeyChecking=yes', ...more].flatMap((o) => ['-o', o]),
    ];
  };
  return {
    root: await writeUser(folder, 'acme-hello', made.root),
    limited: await writeUser(folder, 'acme-hello-dev', made.limited),
    folder,
    remote,
    port: piper.port,
    options,
    ssh: (user, args, runOptions) => {
      const where = ['-p', String(piper.port), '-l', user.username];
      const command = ['ssh', ...options(user), ...where, ...args.slice(0, -1), '127.0.0.1', ...args.slice(-1)];
      return run(command, runOptions).then(withoutNotice);
    },
    setRoute,
    route,
    piperLog: piper.log,
    piper: piper.child,
    pod: pod.child,
    podPort: pod.port,
    keys: made,
    auditLines: pod.lines,
    stop: async () => {
      await Promise.all([stop(piper.child), pod.stop()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
