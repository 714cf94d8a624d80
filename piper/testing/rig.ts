/** A piper on loopback with one route and one pod, for wire-level tests. */
import { expect, onTestFinished } from 'vitest';
import * as z from 'zod';
import {
  DEFAULT_POLICIES,
  LABEL_ENDPOINTS,
  LABEL_ROUTE,
  ROUTE_SECRET_KEYS,
  type Route,
  type RouteUser,
} from '../../crds/index.ts';
import { createLogger } from '../../lib/process/logger.ts';
import type { Clock } from '../../lib/ssh/clock.ts';
import type { AuthorizedKey } from '../../lib/ssh/keys/authorized-keys.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { readBuffers } from '../../lib/ssh/transport/read-buffers.ts';
import { Networks } from '../arrival/networks.ts';
import type { Limits } from '../config.ts';
import { isLiteral } from '../directory/addresses.ts';
import { ObjectDirectory } from '../directory/directory.ts';
import { EndpointSliceObject, LABEL_SERVICE_NAME, SecretObject } from '../directory/objects.ts';
import type { BeginTrace } from '../login-trace.ts';
import type { PiperMetrics } from '../metrics.ts';
import { Piper } from '../piper.ts';
import type { Witness } from '../witness.ts';
import { FakePod, type FakePodOptions } from './fake-pod.ts';
import { RawClient, type RawClientOptions } from './raw-client.ts';

// Whoever looks at a message after its call sees garbage.
readBuffers.poisons = true;

const Line = z.record(z.string(), z.unknown());
export type Line = z.infer<typeof Line>;

export const keys = {
  piper: PrivateKey.generateEd25519(),
  pod: PrivateKey.generateEd25519(),
  mapping: PrivateKey.generateEd25519(),
  alice: PrivateKey.generateEd25519(),
  bob: PrivateKey.generateEd25519(),
  stranger: PrivateKey.generateEd25519(),
};

export const LIMITS: Limits = {
  loginGraceMs: 5_000,
  maxTries: 6,
  startUps: 50,
  startUpsPerSource: 50,
  strangersPerSecond: 1_000_000,
  strangersPerSecondAndSource: 1_000_000,
  connectionsPerUser: 8,
  rekeyAfterBytes: 2 ** 30,
  failuresPerSource: 1000,
  failuresPerSourceAndUser: 1000,
  failureWindowMs: 600_000,
  banMs: 900_000,
  banExempt: new Networks(''),
  trustedProxies: new Networks(''),
};

const users: RouteUser[] = [
  {
    username: 'acme-hello',
    role: 'root',
    authorizedKeys: [keys.alice.publicKey.toLine()],
    policy: DEFAULT_POLICIES.root,
    uidOffset: 0,
  },
  {
    username: 'acme-hello-dev',
    role: 'limited',
    authorizedKeys: [keys.bob.publicKey.toLine()],
    policy: DEFAULT_POLICIES.limited,
    uidOffset: 7,
  },
];

export type Rig = Awaited<ReturnType<typeof startRig>>;
export type RigOptions = {
  pod?: Partial<FakePodOptions>;
  limits?: Partial<Limits>;
  addresses?: string[];
  hostKeys?: () => readonly PrivateKey[];
  now?: () => number;
  clock?: Clock;
  authorities?: readonly AuthorizedKey[];
  witness?: Witness;
  metrics?: PiperMetrics;
  beginTrace?: BeginTrace | undefined;
  /** The routes have not been read. */
  knowsNobodyYet?: boolean;
};

/** Of the test that runs: it ends with it, if not before. */
export async function startRig(options: RigOptions = {}) {
  const pod = new FakePod({ hostKey: keys.pod, mappingKey: keys.mapping, ...options.pod });
  const podPort = await pod.listen();
  const lines: Line[] = [];
  const log = createLogger('piper', { level: 'debug', write: (text) => lines.push(Line.parse(JSON.parse(text))) });
  const directory = new ObjectDirectory(log, isLiteral, options.now);
  const route: Route = {
    version: 1,
    namespace: 'acme',
    name: 'hello',
    uid: 'u-1',
    enabled: true,
    service: 'hello-sshaccess',
    port: podPort,
    runtime: 'sidecar',
    hostKeys: [keys.pod.publicKey.toLine()],
    users,
  };
  const setRoute = (changes: Partial<Route>): void =>
    directory.setSecret('system/route-1', secretOf({ ...route, ...changes }));
  const setPods = (addresses: readonly string[], conditions?: object): void =>
    directory.setSlice('acme/slice', sliceOf(addresses, conditions));
  setRoute({});
  setPods(options.addresses ?? ['127.0.0.1']);
  const piper = new Piper({
    directory,
    provider: { start: () => Promise.resolve(), problem: () => undefined },
    hostKeys: options.hostKeys ?? (() => [keys.piper]),
    ...(options.authorities === undefined ? {} : { authorities: options.authorities }),
    limits: { ...LIMITS, ...options.limits },
    log,
    ...(options.now === undefined ? {} : { now: options.now }),
    ...(options.clock === undefined ? {} : { clock: options.clock }),
    ...(options.witness && { witness: options.witness }),
    ...(options.metrics && { metrics: options.metrics }),
    beginTrace: options.beginTrace,
  });
  const port = await piper.listen(0, '127.0.0.1');
  if (options.knowsNobodyYet !== true) await piper.serve();
  const clients: RawClient[] = [];
  const client = (clientOptions?: RawClientOptions): RawClient => {
    const made = new RawClient(port, clientOptions);
    clients.push(made);
    return made;
  };
  const login = async (username = 'acme-hello', key = keys.alice, clientOptions?: RawClientOptions) => {
    const made = client(clientOptions);
    await made.login(username, key);
    return made;
  };
  /** Keys have been exchanged, and the next word is the client's, about who it is. */
  const newcomer = async (): Promise<RawClient> => {
    const made = client();
    await made.ready;
    made.requestAuthentication();
    await made.received.take();
    return made;
  };
  /** What is on record of connections. */
  const records = (): Line[] => lines.filter(({ msg }) => msg === 'connection');
  /** The first of them about this, once it is there. */
  const record = async (event: 'start' | 'end' | 'refused'): Promise<Line> => {
    const find = (): Line | undefined => records().find((line) => line['event'] === event);
    await expect.poll(find).toBeDefined();
    return find() ?? {};
  };
  let stopped: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    for (const made of clients) made.close();
    await piper.drain(AbortSignal.abort());
    pod.close();
  };
  const stop = (): Promise<void> => (stopped ??= end());
  onTestFinished(stop);
  const world = { piper, port, pod, podPort, directory, route, users, setRoute, setPods };
  return { ...world, client, clients, newcomer, login, lines, records, record, stop };
}

export function secretOf(route: Route): SecretObject {
  return SecretObject.parse({
    metadata: { name: 'route-1', namespace: 'system', labels: { [LABEL_ROUTE]: 'true' } },
    stringData: {
      [ROUTE_SECRET_KEYS.route]: JSON.stringify(route),
      [ROUTE_SECRET_KEYS.mappingKey]: keys.mapping.toOpenSsh(),
    },
  });
}

function sliceOf(addresses: readonly string[], conditions?: object): EndpointSliceObject {
  return EndpointSliceObject.parse({
    metadata: {
      name: 'slice',
      namespace: 'acme',
      labels: { [LABEL_ENDPOINTS]: 'hello', [LABEL_SERVICE_NAME]: 'hello-sshaccess' },
    },
    addressType: 'IPv4',
    endpoints: addresses.map((address) => ({
      addresses: [address],
      conditions,
      targetRef: { name: `pod-${address}` },
    })),
  });
}
