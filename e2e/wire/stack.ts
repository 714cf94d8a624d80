/** Piper and sidecar as processes of their own on loopback, without a cluster: files in place of the API server. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { stringify } from 'yaml';
import { z } from 'zod';
import {
  DEFAULT_POLICIES,
  LABEL_ENDPOINTS,
  LABEL_ROUTE,
  POD_SECRET_KEYS,
  ROUTE_SECRET_KEYS,
  SIDECAR_ENV,
  type Ceiling,
  type Role,
  type Route,
} from '../../crds/index.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { buildEnter } from '../../sidecar/enter/testing/build-enter.ts';
import { run, type Finished, type RunOptions } from '../support/process.ts';

const LogLine = z.looseObject({ msg: z.string(), port: z.number().optional() });
export type LogLine = z.infer<typeof LogLine>;

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
  sidecar: ChildProcess;
  sidecarPort: number;
  keys: Keys;
  auditLines: string[];
  stop: () => Promise<void>;
};

type Program = { child: ChildProcess; log: LogLine[]; stderr: string[]; port: number };

/** Starts a program of ours and waits until it says that it listens. */
async function start(script: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Program> {
  const path = join(import.meta.dirname, '../..', script);
  const child = spawn(process.execPath, [path, ...args], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log: LogLine[] = [];
  const stderr: string[] = [];
  createInterface(child.stderr).on('line', (line) => stderr.push(line));
  const listening = Promise.withResolvers<number>();
  createInterface(child.stdout).on('line', (text) => {
    const line = LogLine.parse(JSON.parse(text));
    log.push(line);
    if (line.msg === 'listening' && line.port !== undefined) listening.resolve(line.port);
  });
  child.once('exit', (code) =>
    listening.reject(new Error(`${script} ended with ${code}:\n${stderr.join('\n')}\n${JSON.stringify(log)}`)),
  );
  return { child, log, stderr, port: await listening.promise };
}

async function stop({ child }: Program): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  // The piper waits for its sessions; a second signal tells it not to.
  setTimeout(() => child.kill('SIGINT'), 500).unref();
  await once(child, 'exit');
}

const keys = () => ({
  piper: PrivateKey.generateEd25519(),
  pod: PrivateKey.generateEd25519(),
  mapping: PrivateKey.generateEd25519(),
  root: PrivateKey.generateEd25519(),
  limited: PrivateKey.generateEd25519(),
});
type Keys = ReturnType<typeof keys>;

async function startSidecar(folder: string, made: Keys, roles: Ceiling['roles']): Promise<Program> {
  const secret = join(folder, 'secret');
  await mkdir(secret);
  const ceiling: Ceiling = { version: 1, roles, auditLogging: true };
  await writeFile(join(secret, POD_SECRET_KEYS.hostKey), made.pod.toOpenSsh());
  await writeFile(join(secret, POD_SECRET_KEYS.mappingKeyPublic), made.mapping.publicKey.toLine());
  await writeFile(join(secret, POD_SECRET_KEYS.ceiling), JSON.stringify(ceiling));
  return start('sidecar/main.ts', [], {
    [SIDECAR_ENV.container]: `app-${process.pid}`,
    [SIDECAR_ENV.sessionEntry]: 'toolbox',
    // nobody: without an app, role root is never uid 0, and `scp -O` wants a user that passwd knows.
    [SIDECAR_ENV.rootUid]: '65534',
    [SIDECAR_ENV.limitedUid]: '61000',
    SSHACCESS_PORT: '0',
    SSHACCESS_SECRET_PATH: secret,
    SSHACCESS_ENTER_PATH: await buildEnter(),
    SSHACCESS_BUSYBOX_PATH: '/usr/bin/busybox',
  });
}

function routeOf(port: number, made: Keys): Route {
  const user = (username: string, role: Role) => ({
    username,
    role,
    authorizedKeys: [made[role].publicKey.toLine()],
    policy: DEFAULT_POLICIES[role],
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
    runtime: 'sidecar',
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

/** Starts both programs, and writes keys and known_hosts for OpenSSH's client. */
export async function startStack(
  piperEnvironment: NodeJS.ProcessEnv = {},
  roles: Ceiling['roles'] = DEFAULT_POLICIES,
): Promise<Stack> {
  const folder = await mkdtemp(join(tmpdir(), 'wire-'));
  const made = keys();
  const remote = join(folder, 'remote');
  await mkdir(remote);
  await chmod(folder, 0o711);
  await chmod(remote, 0o777);
  const sidecar = await startSidecar(folder, made, roles);
  const route = routeOf(sidecar.port, made);
  const [routes, hostKeys] = [join(folder, 'routes'), join(folder, 'host-keys')];
  await mkdir(routes);
  await mkdir(hostKeys);
  await writeFile(join(hostKeys, 'ed25519-host-key'), made.piper.toOpenSsh());
  const setRoute: Stack['setRoute'] = async (changes) => {
    if (changes === undefined) return rm(join(routes, 'hello.yaml'));
    await writeFile(join(routes, 'hello.tmp'), manifests({ ...route, ...changes }, made.mapping));
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
    sidecar: sidecar.child,
    sidecarPort: sidecar.port,
    keys: made,
    auditLines: sidecar.stderr,
    stop: async () => {
      await Promise.all([stop(piper), stop(sidecar)]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
