/** Pure: which of the pods a route speaks to, and how. */
import {
  MOST_HOST_KEYS,
  RouteUser,
  serverOf,
  SSH_PORT,
  type InjectionRecord,
  type Route,
  type Runtime,
  type Server,
  type SshAccessSpec,
} from '../crds/index.ts';
import { PublicKey } from '../lib/ssh/keys/public-key.ts';
import { DEFAULT_ALGORITHMS } from '../lib/ssh/transport/algorithms.ts';
import type { AccessPod } from './access-pod.ts';

/** How the pods of a route are reached; they are all of one kind. */
export type Serving = {
  readonly server: Server;
  readonly runtime: Runtime;
  readonly port: number;
  /** The account of the image that everybody logs in as; undefined: everybody has their own name. */
  readonly account: string | undefined;
  /** The pods that it reaches. Those of another kind are about to go. */
  readonly pods: readonly AccessPod[];
};

type Spec = Pick<SshAccessSpec, 'runtime' | 'mainContainer'>;

/** Who answers ssh in a pod. */
export const serverIn = ({ runtime, mainContainer }: InjectionRecord): Server =>
  runtime === 'sidecar' ? 'sidecar' : (mainContainer?.setup ?? 'init-script');

const runtimeOf = (server: Server): Runtime => (server === 'sidecar' ? 'sidecar' : 'main_container');

/**
 * A route speaks to one kind of pod, and while they are made anew there are two. It speaks to the kind that more people
 * would reach: to the old pods until as many new ones take connections, then to the new ones. So a roll that never
 * finishes, or that nobody has begun (rollout Manual), locks nobody out.
 */
export function servingOf(spec: Spec, pods: readonly AccessPod[], stored: Route | undefined): Serving {
  const asked = serverOf(spec);
  const server = busiest(asked, pods);
  const own = pods.filter(({ record }) => record !== undefined && serverIn(record) === server);
  const told = own.map(({ record }) => record?.mainContainer?.port).find((port) => port !== undefined);
  const isAsked = server === asked;
  const unmanagedPort = isAsked ? (spec.mainContainer?.port ?? 22) : (told ?? 22);
  const storedAccount = stored?.users.map(({ upstreamUser }) => upstreamUser).find((name) => name !== undefined);
  return {
    server,
    runtime: runtimeOf(server),
    port: server === 'unmanaged' ? unmanagedPort : SSH_PORT,
    account: server === 'unmanaged' ? (isAsked ? spec.mainContainer?.user : storedAccount) : undefined,
    pods: own,
  };
}

function busiest(asked: Server, pods: readonly AccessPod[]): Server {
  const ready = new Map<Server, number>([[asked, 0]]);
  for (const { record, isReady } of pods) {
    if (record === undefined || !isReady) continue;
    const server = serverIn(record);
    ready.set(server, (ready.get(server) ?? 0) + 1);
  }
  // The first of the map is what was asked for: it wins where two are equal.
  return [...ready].reduce((best, next) => (next[1] > best[1] ? next : best))[0];
}

/**
 * The name to log in with, where it is not the user's own: pods of a main_container know the users that they were
 * started with, and whoever came later goes in under the name of the first of them.
 */
export function upstreamUserOf({ server, account, pods }: Serving, username: string): string | undefined {
  if (server === 'sidecar') return undefined;
  if (server === 'unmanaged') return account;
  const known = knownToAll(pods);
  return known === undefined || known.includes(username) ? undefined : known[0];
}

/** The usernames that every pod was told; undefined: there are none. */
function knownToAll(pods: readonly AccessPod[]): readonly string[] | undefined {
  const [first = [], ...others] = pods.map(({ record }) => record?.mainContainer?.usernames ?? []);
  const isName = (name: string) => RouteUser.shape.username.safeParse(name).success;
  const common = first.filter((name) => isName(name) && others.every((names) => names.includes(name)));
  return common.length === 0 ? undefined : common;
}

/** Lines of OpenSSH, each key once; `bad`: the places (from 1) of those that are none. */
export function readHostKeys(lines: readonly string[]): { keys: readonly string[]; bad: readonly number[] } {
  const keys: PublicKey[] = [];
  const bad: number[] = [];
  lines.forEach((line, index) => {
    try {
      keys.push(PublicKey.fromLine(line.trim()));
    } catch {
      // Which line it is says all; what is wrong with it, its author sees.
      bad.push(index + 1);
    }
  });
  return { keys: inOrder(keys), bad };
}

/** As a client prefers them: of a pod with several keys, piper and prober then ask for the same one. */
function inOrder(keys: readonly PublicKey[]): readonly string[] {
  const rank = ({ signatureAlgorithms }: PublicKey) =>
    Math.min(...signatureAlgorithms.map((algorithm) => DEFAULT_ALGORITHMS.hostKey.indexOf(algorithm)));
  const sorted = keys.toSorted((left, right) => rank(left) - rank(right) || left.blob.compare(right.blob));
  return [...new Set(sorted.map((key) => key.toLine()))].slice(0, MOST_HOST_KEYS);
}

type KnownKeys = {
  /** Of our Secret. */
  readonly own: string;
  /** Those that pods have shown to the prober. */
  readonly learned: readonly string[];
};

/** What a pod of this route must prove to hold: our own key wherever we bring it, else what the spec says, else what was seen. */
export function hostKeysOf({ server }: Serving, spec: Spec, { own, learned }: KnownKeys): readonly string[] {
  if (server === 'sidecar' || server === 'init-script') return [own];
  const given = server === 'unmanaged' ? spec.mainContainer?.hostKeys : undefined;
  return readHostKeys(given ?? learned).keys;
}
