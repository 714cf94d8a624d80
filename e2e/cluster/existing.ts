import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { programPath } from '../../scripts/machine/apt.ts';
import { run } from '../../scripts/machine/command.ts';
import { SetupError } from '../../scripts/machine/errors.ts';
import type { Cluster, Endpoint, Provider } from './cluster.ts';
import { tools } from './tools.ts';

/**
 * A cluster that somebody else runs, named by SSHACCESS_E2E_KUBECONFIG. It is used, never stopped. What only its owner
 * can know comes from the environment too:
 * - SSHACCESS_E2E_SSH_HOST: where its node ports are reached (else: the first node's address);
 * - SSHACCESS_E2E_LOAD: the command that brings an image archive, its last argument, to all nodes.
 */
export const existing: Provider = {
  kind: 'existing',
  unavailable: async () => unavailable(process.env),
  find: async (name) => (unavailable(process.env) === undefined ? connect(name) : undefined),
  start: connect,
  remove: async () => [],
};

export function unavailable(env: NodeJS.ProcessEnv): string | undefined {
  if (env['SSHACCESS_E2E_KUBECONFIG'] !== undefined) return undefined;
  return 'SSHACCESS_E2E_KUBECONFIG is not set; set it to the kubeconfig of a cluster for tests';
}

async function connect(name: string): Promise<Cluster> {
  const kubeconfigPath = resolve(process.env['SSHACCESS_E2E_KUBECONFIG'] ?? '');
  if (!existsSync(kubeconfigPath)) {
    throw new SetupError('NO_KUBECONFIG', `SSHACCESS_E2E_KUBECONFIG names ${kubeconfigPath}; there is no such file.`);
  }
  const { kubectlPath, helmPath } = await clients();
  const kubectl = (...args: string[]): Promise<string> => run(kubectlPath, ['--kubeconfig', kubeconfigPath, ...args]);
  return {
    name,
    provider: 'existing',
    kubeconfigPath,
    kubectlPath,
    helmPath,
    sshEndpoint: async (port) => endpoint(await kubectl('get', 'nodes', '-o', 'json'), port),
    hasImage: async (image) => imageOnAllNodes(await kubectl('get', 'nodes', '-o', 'json'), image),
    loadImage,
    stop: async () => [],
  };
}

/** kubectl and helm of this machine, or ours. */
export async function clients(): Promise<{ kubectlPath: string; helmPath: string }> {
  const [kubectl, helm] = [programPath('kubectl'), programPath('helm')];
  return {
    kubectlPath: kubectl ?? (await tools(['kubectl']))('kubectl'),
    helmPath: helm ?? (await tools(['helm']))('helm'),
  };
}

const nodeList = z.object({
  items: z.array(
    z.object({
      status: z.object({
        addresses: z.array(z.object({ type: z.string(), address: z.string() })).default([]),
        images: z.array(z.object({ names: z.array(z.string()).default([]) })).default([]),
      }),
    }),
  ),
});

export function endpoint(nodes: string, port: number, env: NodeJS.ProcessEnv = process.env): Endpoint {
  const named = env['SSHACCESS_E2E_SSH_HOST'];
  if (named !== undefined) return { host: named, port };
  const addresses = nodeList.parse(JSON.parse(nodes)).items.flatMap((node) => node.status.addresses);
  const byType = (type: string): string | undefined => addresses.find((address) => address.type === type)?.address;
  const host = byType('ExternalIP') ?? byType('InternalIP');
  if (host !== undefined) return { host, port };
  throw new SetupError(
    'NO_NODE_ADDRESS',
    'No node has an address; set SSHACCESS_E2E_SSH_HOST to where node ports are.',
  );
}

function imageOnAllNodes(nodes: string, image: string): boolean {
  const { items } = nodeList.parse(JSON.parse(nodes));
  return items.length > 0 && items.every(({ status }) => status.images.some(({ names }) => names.includes(image)));
}

async function loadImage(archive: string): Promise<readonly string[]> {
  const [program, ...args] = (process.env['SSHACCESS_E2E_LOAD'] ?? '').split(' ').filter((word) => word !== '');
  if (program === undefined) {
    throw new SetupError(
      'NO_LOAD_COMMAND',
      'Only you know how images get into your cluster: set SSHACCESS_E2E_LOAD to a command that takes an archive as its ' +
        'last argument, such as "kind load image-archive" or "minikube image load".',
    );
  }
  return (await run(program, [...args, archive])).split('\n').filter((line) => line !== '');
}
