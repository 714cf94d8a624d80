import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { dockerAnswers } from '../../scripts/images/builder.ts';
import { programPath } from '../../scripts/machine/apt.ts';
import { attempt, run } from '../../scripts/machine/command.ts';
import { say, step } from '../../scripts/machine/progress.ts';
import type { Cluster, Endpoint, Provider } from './cluster.ts';
import { clients } from './existing.ts';
import { importedNames } from './native/images.ts';
import { clusterFolder } from './places.ts';

const image = process.env['SSHACCESS_K3S_IMAGE'] ?? 'rancher/k3s:v1.35.4-k3s1';

/** The port that users type; others are reached by the container's own address, where Docker runs on this machine. */
const publishedPort = 2222;

/** K3s in a container, by testcontainers, where a Docker daemon answers and can get the image. */
export const k3s: Provider = { kind: 'k3s', unavailable, find, start, remove };

async function unavailable(): Promise<string | undefined> {
  if (programPath('docker') === undefined) return 'there is no `docker` on the PATH; install Docker';
  if (!(await dockerAnswers())) return 'no Docker daemon answers; start it, or let this user talk to it';
  if ((await attempt('docker', ['image', 'inspect', image])).code === 0) return undefined;
  const pulled = await step(`docker pull ${image}`, () => attempt('docker', ['pull', image], { timeout: 600_000 }));
  if (pulled.code === 0) return undefined;
  const said = pulled.stderr.trim().split('\n').at(-1) ?? '';
  return `Docker cannot pull ${image} (${said}); name another one by SSHACCESS_K3S_IMAGE, or load it with \`docker load\``;
}

function containerName(name: string): string {
  return `sshaccess-${name}`;
}

async function find(name: string): Promise<Cluster | undefined> {
  if (programPath('docker') === undefined || !existsSync(kubeconfigOf(name))) return undefined;
  const state = await attempt('docker', ['inspect', '--format', '{{.State.Running}}', containerName(name)]);
  if (state.code !== 0 || state.stdout.trim() !== 'true') return undefined;
  const cluster = await assemble(name);
  const ready = await attempt(cluster.kubectlPath, ['--kubeconfig', cluster.kubeconfigPath, 'get', '--raw=/readyz']);
  if (ready.code === 0) return cluster;
  say(`  a cluster "${name}" runs, but does not answer: ${ready.stderr.trim()}`);
  return undefined;
}

async function start(name: string): Promise<Cluster> {
  for (const line of await remove(name)) say(`  removed what an earlier run left: ${line}`);
  // Its reaper would end the cluster with this program; ours is found again by its name.
  process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';
  const [{ K3sContainer }, host] = [await import('@testcontainers/k3s'), await dockerHost()];
  const server = ['server', '--disable=traefik,servicelb,metrics-server', `--tls-san=${host}`];
  const kubeconfig = await step(`K3s (${image})`, async () => {
    const container = await new K3sContainer(image)
      .withName(containerName(name))
      .withExposedPorts(publishedPort)
      .withCommand([...server, '--kube-apiserver-arg=service-node-port-range=2222-32767'])
      .start();
    return container.getKubeConfig();
  });
  await mkdir(clusterFolder(name), { recursive: true });
  await writeFile(kubeconfigOf(name), kubeconfig, { mode: 0o600 });
  return assemble(name);
}

/** Where published ports are reached: not always this machine, as in a CI job that is itself a container. */
async function dockerHost(): Promise<string> {
  const { getContainerRuntimeClient } = await import('testcontainers');
  return (await getContainerRuntimeClient()).info.containerRuntime.host;
}

function kubeconfigOf(name: string): string {
  return join(clusterFolder(name), 'kubeconfig');
}

async function assemble(name: string): Promise<Cluster> {
  const inside = ['exec', containerName(name), 'ctr', '--namespace', 'k8s.io', 'images'];
  return {
    name,
    provider: 'k3s',
    kubeconfigPath: kubeconfigOf(name),
    ...(await clients()),
    sshEndpoint: (port) => sshEndpoint(name, port),
    hasImage: async (wanted) => {
      const listed = await run('docker', [...inside, 'list', '--quiet', `name==${wanted}`]);
      return listed.trim() === wanted;
    },
    loadImage: async (archive) => {
      const copy = `/tmp/${basename(archive)}`;
      await run('docker', ['cp', archive, `${containerName(name)}:${copy}`]);
      try {
        return importedNames(await run('docker', [...inside, 'import', copy]));
      } finally {
        await run('docker', ['exec', containerName(name), 'rm', copy]);
      }
    },
    stop: () => remove(name),
  };
}

async function sshEndpoint(name: string, port: number): Promise<Endpoint> {
  if (port !== publishedPort) {
    const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}';
    const addresses = await run('docker', ['inspect', '--format', format, containerName(name)]);
    return { host: addresses.trim().split(' ')[0] ?? '', port };
  }
  const published = await run('docker', ['port', containerName(name), String(port)]);
  return { host: serverHost(await readFile(kubeconfigOf(name), 'utf8')), port: publishedPortOf(published) };
}

/** The API server's port is published where the others are. */
export function serverHost(kubeconfig: string): string {
  return /server: https:\/\/(.+):\d+/.exec(kubeconfig)?.[1] ?? 'localhost';
}

/** `docker port` prints `0.0.0.0:49154`, and a line more for IPv6. */
export function publishedPortOf(output: string): number {
  return Number(/:(\d+)$/m.exec(output)?.[1]);
}

async function remove(name: string): Promise<readonly string[]> {
  if (programPath('docker') === undefined) return [];
  if ((await attempt('docker', ['inspect', containerName(name)])).code !== 0) return [];
  await run('docker', ['rm', '--force', '--volumes', containerName(name)]);
  return [`container ${containerName(name)}`];
}
