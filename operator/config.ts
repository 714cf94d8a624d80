import * as z from 'zod';
import { MOST_USERS } from '../crds/index.ts';
import { parseNamespaces, type WatchedNamespaces } from '../lib/kube/namespaces.ts';
import { parseEnvironment } from '../lib/process/config.ts';
import type { HealthPorts } from '../lib/process/health.ts';

const port = z.coerce.number().int().min(1).max(65_535);

const seconds = z.coerce.number().int().min(1).max(86_400);

const Environment = z.object({
  POD_NAMESPACE: z.string().min(1),
  POD_NAME: z.string().min(1),
  ENDPOINT_HOST: z.string().default(''),
  ENDPOINT_PORT: port.default(2222),
  HEALTH_PORT: port.default(8080),
  /** On the loopback; 0: no profiles. */
  PROFILING_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
  MAX_USERS_PER_ACCESS: z.coerce.number().int().min(1).max(MOST_USERS).default(5),
  SECRET_DELAY: seconds.default(120),
  ROUTE_DELAY: seconds.default(900),
  WATCH_NAMESPACES: z.string().default(''),
  OPERATOR_DEPLOYMENT: z.string().default(''),
});

export type Config = {
  /** Where we run, and where route Secrets and our Lease lie. */
  systemNamespace: string;
  /** Of this replica, for the Lease and Events. */
  identity: string;
  /** What users type; no host: not known yet, commands say so. */
  endpoint: { host: string | undefined; port: number };
  ports: HealthPorts;
  /** Users of one SshAccess that are served. */
  maxUsersPerAccess: number;
  /** Until a changed Secret is in all pods that mount it: the kubelet's sync period (1 minute), jitter and cache included. */
  secretDelayMs: number;
  /** Until no piper goes on with an earlier route: as long as one may that hears nothing of the API server. */
  routeDelayMs: number;
  /** Where SshAccesses are served. */
  namespaces?: WatchedNamespaces;
  /** That of the operators, which `--release-all` sends home; undefined: there is none. */
  deployment?: string | undefined;
};

/** @throws ConfigError */
export function loadConfig(environment: NodeJS.ProcessEnv): Config {
  const parsed = parseEnvironment(Environment, environment);
  return {
    systemNamespace: parsed.POD_NAMESPACE,
    identity: parsed.POD_NAME,
    endpoint: { host: parsed.ENDPOINT_HOST || undefined, port: parsed.ENDPOINT_PORT },
    ports: { health: parsed.HEALTH_PORT, profiling: parsed.PROFILING_PORT },
    maxUsersPerAccess: parsed.MAX_USERS_PER_ACCESS,
    secretDelayMs: parsed.SECRET_DELAY * 1_000,
    routeDelayMs: parsed.ROUTE_DELAY * 1_000,
    namespaces: parseNamespaces(parsed.WATCH_NAMESPACES),
    deployment: parsed.OPERATOR_DEPLOYMENT || undefined,
  };
}
