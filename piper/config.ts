import { parseArgs } from 'node:util';
import * as z from 'zod';
import { parseNamespaces, type WatchedNamespaces } from '../lib/kube/namespaces.ts';
import { ConfigError, parseEnvironment } from '../lib/process/config.ts';
import type { HealthPorts } from '../lib/process/health.ts';
import { type AuthorizedKey, parseAuthorizedKeys } from '../lib/ssh/keys/authorized-keys.ts';
import type { FailureLimits } from './abuse/failures.ts';
import type { ArrivalLimits } from './arrival/arrival-rate.ts';
import { Networks } from './arrival/networks.ts';
import type { StartUpLimits } from './arrival/start-ups.ts';

const port = z.coerce.number().int().min(0).max(65_535);
const count = z.coerce.number().int().min(1);
const seconds = z.coerce.number().int().min(0).max(86_400);
const networks = z.string().transform((text, context) => {
  try {
    return new Networks(text);
  } catch (error) {
    context.addIssue(error instanceof Error ? error.message : 'no networks');
    return z.NEVER;
  }
});

/** Lines of public keys, as in a .pub file. A gateway that took some of several authorities would lock others out. */
const authorities = z.string().transform((text, context) => {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  const { keys, problems } = parseAuthorizedKeys(lines.map((line) => `cert-authority ${line}`).join('\n'));
  const [problem] = problems;
  if (problem === undefined) return keys;
  context.addIssue(`line ${problem.line}: ${problem.message}`);
  return z.NEVER;
});

/** Of a collector, as OTEL_EXPORTER_OTLP_ENDPOINT is: the path of the signal is put behind it. */
const endpoint = z
  .url({ protocol: /^https?$/ })
  .refine((text) => !/[@?#]/.test(text), 'no username, password, query or fragment: what is here stands in logs')
  .transform((text) => `${text.replace(/\/+$/, '')}/v1/traces`);

/** The environment; an option of the command line takes the place of its variable. */
const Environment = z.object({
  PORT: port.default(2222),
  HEALTH_PORT: port.default(8080),
  /** On loopback; 0: no profiles. */
  PROFILING_PORT: port.default(0),
  /** On loopback; 0: nobody administers. */
  ADMIN_PORT: port.default(0),
  HOST_KEY_DIR: z.string().min(1, 'the folder of the host keys, or --host-keys'),
  /** Instead of the API server: a folder with the same objects as YAML files. */
  ROUTES_DIR: z.string().optional(),
  POD_NAMESPACE: z.string().optional(),
  /** Whose EndpointSlices are read: names with commas between them; empty: all. */
  WATCH_NAMESPACES: z.string().default(''),
  LOGIN_GRACE: seconds.default(30),
  DRAIN_GRACE: seconds.default(3600),
  /** Who stops still takes clients until none has come for so long. On a laptop nobody else could take them. */
  DRAIN_QUIET: seconds.default(0),
  MAX_STALENESS: seconds.default(900),
  MAX_TRIES: count.default(6),
  MAX_START_UPS: count.default(200),
  MAX_START_UPS_PER_SOURCE: count.default(20),
  MAX_STRANGERS_PER_SECOND: count.default(200),
  MAX_STRANGERS_PER_SECOND_AND_SOURCE: count.default(5),
  MAX_CONNECTIONS_PER_USER: count.default(64),
  MAX_FAILURES_PER_SOURCE: count.default(60),
  MAX_FAILURES_PER_SOURCE_AND_USER: count.default(12),
  FAILURE_WINDOW: seconds.default(600),
  BAN_TIME: seconds.default(900),
  BAN_EXEMPT: networks.prefault(''),
  /** RFC 4253 §9 wants new keys after a GiB at the latest. */
  REKEY_AFTER_MIB: z.coerce.number().int().min(1).max(1024).default(1024),
  PROXY_PROTOCOL_FROM: networks.prefault(''),
  TRUSTED_USER_CAS: authorities.prefault(''),
  /** Of a collector that speaks OTLP over HTTP; empty: no traces. */
  TRACES_ENDPOINT: z.literal('').or(endpoint).default(''),
  /** Of so many logins, from 0 to 1. */
  TRACES_RATIO: z.coerce.number().min(0).max(1).default(1),
  /** Of our own pod, for Events. */
  POD_NAME: z.string().optional(),
  POD_UID: z.string().optional(),
});

/** The limits of one connection, and of all before their login. */
export type Limits = StartUpLimits &
  ArrivalLimits &
  FailureLimits & {
    loginGraceMs: number;
    maxTries: number;
    connectionsPerUser: number;
    /** On each side of a connection. */
    rekeyAfterBytes: number;
    banExempt: Networks;
    /** Who must say for whom it speaks, by a PROXY header. */
    trustedProxies: Networks;
  };

export type PiperConfig = {
  port: number;
  ports: HealthPorts;
  adminPort: number;
  /** Our own pod, where we know it. */
  pod: { name: string; uid: string } | undefined;
  hostKeyFolder: string;
  /** Whose certificates every user may log in with, each under their own name. */
  authorities: readonly AuthorizedKey[];
  /** Where routes come from: files, or the Secrets of our own namespace. */
  source: { files: string } | { namespace: string; watched: WatchedNamespaces };
  drainGraceMs: number;
  drainQuietMs: number;
  maxStalenessMs: number;
  /** Where traces of how many logins are posted to. */
  tracing: { url: string; ratio: number } | undefined;
  limits: Limits;
};

/** The longest DRAIN_GRACE, with time left to say goodbye. */
export const LONGEST_DRAIN_MS = 86_400_000 + 10_000;

/** @throws ConfigError */
export function readConfig(environment: NodeJS.ProcessEnv, args: readonly string[]): PiperConfig {
  const values = readArguments(args);
  const parsed = parseEnvironment(Environment, {
    ...environment,
    ...(values.routes === undefined ? {} : { ROUTES_DIR: values.routes }),
    ...(values['host-keys'] === undefined ? {} : { HOST_KEY_DIR: values['host-keys'] }),
    ...(values.port === undefined ? {} : { PORT: values.port }),
  });
  return {
    port: parsed.PORT,
    ports: { health: parsed.HEALTH_PORT, profiling: parsed.PROFILING_PORT },
    adminPort: parsed.ADMIN_PORT,
    pod: podOf(parsed.POD_NAME, parsed.POD_UID),
    hostKeyFolder: parsed.HOST_KEY_DIR,
    authorities: parsed.TRUSTED_USER_CAS,
    source: sourceOfRoutes(parsed),
    drainGraceMs: parsed.DRAIN_GRACE * 1000,
    drainQuietMs: parsed.DRAIN_QUIET * 1000,
    maxStalenessMs: parsed.MAX_STALENESS * 1000,
    tracing: tracingTo(parsed.TRACES_ENDPOINT, parsed.TRACES_RATIO),
    limits: {
      loginGraceMs: parsed.LOGIN_GRACE * 1000,
      maxTries: parsed.MAX_TRIES,
      startUps: parsed.MAX_START_UPS,
      startUpsPerSource: parsed.MAX_START_UPS_PER_SOURCE,
      strangersPerSecond: parsed.MAX_STRANGERS_PER_SECOND,
      strangersPerSecondAndSource: parsed.MAX_STRANGERS_PER_SECOND_AND_SOURCE,
      connectionsPerUser: parsed.MAX_CONNECTIONS_PER_USER,
      rekeyAfterBytes: parsed.REKEY_AFTER_MIB * 2 ** 20,
      failuresPerSource: parsed.MAX_FAILURES_PER_SOURCE,
      failuresPerSourceAndUser: parsed.MAX_FAILURES_PER_SOURCE_AND_USER,
      failureWindowMs: parsed.FAILURE_WINDOW * 1000,
      banMs: parsed.BAN_TIME * 1000,
      banExempt: parsed.BAN_EXEMPT,
      trustedProxies: parsed.PROXY_PROTOCOL_FROM,
    },
  };
}

const tracingTo = (url: string, ratio: number): PiperConfig['tracing'] => (url === '' ? undefined : { url, ratio });

const podOf = (name = '', uid = ''): PiperConfig['pod'] => (name === '' || uid === '' ? undefined : { name, uid });

function readArguments(args: readonly string[]): { routes?: string; 'host-keys'?: string; port?: string } {
  const options = { routes: { type: 'string' }, 'host-keys': { type: 'string' }, port: { type: 'string' } } as const;
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new ConfigError(error instanceof Error ? error.message : 'wrong arguments');
  }
}

function sourceOfRoutes({
  ROUTES_DIR: files,
  POD_NAMESPACE: namespace = '',
  WATCH_NAMESPACES,
}: z.infer<typeof Environment>): PiperConfig['source'] {
  if (files !== undefined) return { files };
  if (namespace !== '') return { namespace, watched: parseNamespaces(WATCH_NAMESPACES) };
  throw new ConfigError('set POD_NAMESPACE to the namespace of the route Secrets, or give --routes <folder>');
}
