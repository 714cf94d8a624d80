import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { demoApp } from '../../scripts/images/app-image.ts';
import { ensurePackages } from '../../scripts/machine/apt.ts';
import { attempt, run } from '../../scripts/machine/command.ts';
import { SetupError } from '../../scripts/machine/errors.ts';
import { step } from '../../scripts/machine/progress.ts';
import { localFolder, projectFolder } from '../../scripts/places.ts';
import type { Cluster, Endpoint } from './cluster.ts';
import { apply, install, kubectl, loadApp, systemNamespace } from './deploy.ts';
import { demoCluster } from './places.ts';
import { waitUntil } from './wait.ts';

/** Kept when the demo is taken down, so that a user's notes stay right. */
const demoFolder = join(localFolder, demoCluster);

/** For shells and scripts. */
export const environmentFile = join(localFolder, `${demoCluster}.env`);

export interface Login {
  readonly username: string;
  readonly keyPath: string;
}

export interface Demo {
  readonly cluster: Cluster;
  readonly endpoint: Endpoint;
  readonly root: Login;
  readonly limited: Login;
}

const users = {
  root: { username: 'acme-hello', secret: 'hello-root-key' },
  limited: { username: 'acme-hello-dev', secret: 'hello-dev-key' },
} as const;

/** Installs sshaccess and the demo's app on the cluster, and waits until users can log in. */
export async function deployDemo(cluster: Cluster): Promise<Demo> {
  await ensurePackages(['openssh-client']);
  const [root, limited] = [await login('root'), await login('limited')];
  const image = await loadApp(cluster, demoApp);
  const endpoint = await install(cluster);
  await step('namespace acme, Deployment hello, SshAccess hello', async () => {
    await apply(cluster, [await manifest('namespace')]);
    await apply(cluster, [
      withImage(await manifest('hello'), image),
      await secret('root', root),
      await secret('limited', limited),
    ]);
    await apply(cluster, [await manifest('ssh-access')]);
    await ready(cluster);
  });
  return { cluster, endpoint, root, limited };
}

async function ready(cluster: Cluster): Promise<void> {
  const acme = ['--namespace', 'acme'];
  try {
    await kubectl(cluster, ['wait', 'sshaccess/hello', '--for=condition=Ready', '--timeout=300s', ...acme]);
    await rollIfOutdated(cluster);
    await kubectl(cluster, ['rollout', 'status', 'deployment/hello', '--timeout=300s', ...acme]);
  } catch (cause) {
    const conditions = '{range .status.conditions[*]}{.type}={.status} {.reason}: {.message}{"\\n"}{end}';
    const status = await kubectl(cluster, ['get', 'sshaccess', 'hello', '-o', `jsonpath=${conditions}`, ...acme]);
    const pods = await kubectl(cluster, ['get', 'pods', '--all-namespaces']);
    throw new SetupError(
      'DEMO_NOT_READY',
      `SshAccess acme/hello did not become ready. Its conditions:\n${status || 'none: is the operator well?\n'}\n${pods}`,
      { cause },
    );
  }
}

/** Sidecars come with their pods: what was changed since in this clone reaches the demo only by new ones. */
async function rollIfOutdated(cluster: Cluster): Promise<void> {
  const environment = `{.spec.template.spec.containers[0].env[?(@.name=="SIDECAR_IMAGE")].value}`;
  const webhook = ['get', 'deployment/sshaccess-webhook', '--namespace', systemNamespace];
  const wanted = await kubectl(cluster, [...webhook, '--output', `jsonpath=${environment}`]);
  const images = '{.items[*].spec.initContainers[?(@.name=="sshaccess")].image}';
  const pods = ['get', 'pods', '--namespace', 'acme', '--selector', 'app=hello'];
  const running = (await kubectl(cluster, [...pods, '--output', `jsonpath=${images}`])).split(' ');
  if (running.every((image) => image === wanted)) return;
  await kubectl(cluster, ['rollout', 'restart', 'deployment/hello', '--namespace', 'acme']);
}

async function manifest(name: string): Promise<unknown> {
  return parse(await readFile(join(projectFolder, 'e2e/demo/manifests', `${name}.yaml`), 'utf8'));
}

const deployment = z.looseObject({
  spec: z.looseObject({
    template: z.looseObject({ spec: z.looseObject({ containers: z.array(z.looseObject({ image: z.string() })) }) }),
  }),
});

function withImage(object: unknown, image: string): unknown {
  const parsed = deployment.parse(object);
  for (const container of parsed.spec.template.spec.containers) container.image = image;
  return parsed;
}

async function secret(role: keyof typeof users, { keyPath }: Login): Promise<unknown> {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace: 'acme', name: users[role].secret },
    stringData: { 'ssh-publickey': await readFile(`${keyPath}.pub`, 'utf8') },
  };
}

async function login(role: keyof typeof users): Promise<Login> {
  const keyPath = join(demoFolder, `${role}.key`);
  if (!existsSync(keyPath)) {
    await mkdir(demoFolder, { recursive: true, mode: 0o700 });
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', `sshaccess-demo-${role}`, '-f', keyPath]);
  }
  await chmod(keyPath, 0o600);
  return { username: users[role].username, keyPath };
}

/** The host keys that this clone has seen: not the user's own known_hosts, which a demo must not fill. */
const knownHosts = join(demoFolder, 'known_hosts');

/** A new cluster has new host keys. */
export async function forgetHostKeys(): Promise<void> {
  await rm(knownHosts, { force: true });
}

export function sshArguments({ username, keyPath }: Login, { host, port }: Endpoint): string[] {
  const hostKey = ['-o', `UserKnownHostsFile=${knownHosts}`, '-o', 'StrictHostKeyChecking=accept-new'];
  return ['-p', String(port), '-i', keyPath, '-o', 'IdentitiesOnly=yes', ...hostKey, `${username}@${host}`];
}

/** Logs in with OpenSSH's client; answers the seconds that the first success took. */
export async function firstLogin(who: Login, endpoint: Endpoint): Promise<number> {
  let seconds = 0;
  const batch = ['-o', 'BatchMode=yes', '-o', 'ConnectTimeout=10', '-o', 'LogLevel=ERROR'];
  await waitUntil(`ssh ${who.username}@${endpoint.host}`, 180, async () => {
    const begin = performance.now();
    const { code, stderr } = await attempt('ssh', [...batch, ...sshArguments(who, endpoint), 'true'], {
      timeout: 30_000,
    });
    seconds = (performance.now() - begin) / 1000;
    return code === 0 ? undefined : `exit status ${code}: ${stderr.trim()}`;
  });
  return seconds;
}

/** For shells and scripts: where everything of the demo is. */
export async function writeEnvironment(cluster: Cluster, demo?: Demo): Promise<string> {
  const path = environmentFile;
  const values = {
    KUBECONFIG: cluster.kubeconfigPath,
    KUBECTL: cluster.kubectlPath,
    HELM: cluster.helmPath,
    ...(demo === undefined
      ? {}
      : {
          SSH_HOST: demo.endpoint.host,
          SSH_PORT: String(demo.endpoint.port),
          ROOT_USER: demo.root.username,
          ROOT_KEY: demo.root.keyPath,
          LIMITED_USER: demo.limited.username,
          LIMITED_KEY: demo.limited.keyPath,
        }),
  };
  const quoted = Object.entries(values).map(([name, value]) => `${name}='${value.replaceAll("'", `'\\''`)}'\n`);
  await mkdir(localFolder, { recursive: true });
  await writeFile(path, quoted.join(''));
  return path;
}
