import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Agent } from 'node:http';
import type { RequestOptions } from 'node:https';
import { KubeError } from './errors.ts';

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
/** The kubelet renews the token long before it ends; client-go reads it as often. */
const REREAD_MS = 60_000;

/** How to reach and persuade the API server, good for one request. */
export type Access = {
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: Pick<RequestOptions, 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized' | 'auth'>;
  /** Through a proxy only. */
  readonly agent?: Agent;
};

/** Asked before each request, because tokens and certificates change while we run. */
export type Credentials = () => Promise<Access>;

/** No credentials: `kubectl proxy`, or the API server of unit tests. */
export const plain =
  (server: string): Credentials =>
  async () => ({ server, headers: {}, tls: {} });

/** True in a pod with a service account, unless KUBECONFIG names another cluster. */
export function isInCluster(environment: NodeJS.ProcessEnv): boolean {
  const isSet = (name: string) => (environment[name] ?? '') !== '';
  return !isSet('KUBECONFIG') && isSet('KUBERNETES_SERVICE_HOST') && existsSync(`${SERVICE_ACCOUNT}/token`);
}

/**
 * The pod's own service account. Without client-node, whose load costs each program 85 MB and a second of start
 * (measured), which is much for what are two files and two variables.
 */
export function inCluster(environment: NodeJS.ProcessEnv, folder = SERVICE_ACCOUNT): Credentials {
  const host = environment['KUBERNETES_SERVICE_HOST'] ?? '';
  const port = environment['KUBERNETES_SERVICE_PORT'] ?? '443';
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  const read = async (): Promise<Access> => {
    const [token, ca] = await Promise.all([readFile(`${folder}/token`, 'utf8'), readFile(`${folder}/ca.crt`)]);
    return { server, headers: { authorization: `Bearer ${token.trim()}` }, tls: { ca } };
  };
  let last: { access: Promise<Access>; readAt: number } | undefined;
  return async () => {
    if (last === undefined || Date.now() - last.readAt > REREAD_MS) last = { access: read(), readAt: Date.now() };
    try {
      return await last.access;
    } catch (error) {
      last = undefined;
      throw error;
    }
  };
}

/** KUBECONFIG, else `~/.kube/config`, with everything that client-node understands: exec plugins, OIDC, proxies. */
export function kubeConfig(): Credentials {
  let loading: Promise<Credentials> | undefined;
  return async () => {
    loading ??= load();
    return (await loading)();
  };
}

async function load(): Promise<Credentials> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  config.loadFromDefault();
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new KubeError('NoCluster', 'the kubeconfig names no current cluster');
  const isProxied = (cluster.proxyUrl ?? '') !== '';
  return async () => {
    const headers: Record<string, string> = {};
    const options: RequestOptions = { headers };
    await config.applyToHTTPSOptions(options);
    const { agent, ca, cert, key, servername, rejectUnauthorized, auth } = options;
    // client-node's agent keeps the first credentials that it saw; only a proxy needs it.
    const proxy = isProxied && typeof agent === 'object' ? { agent } : {};
    return { server: cluster.server, headers, tls: { ca, cert, key, servername, rejectUnauthorized, auth }, ...proxy };
  };
}
