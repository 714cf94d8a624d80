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
import { finding, type Finding } from './findings.ts';

/** How the pods of a route are reached. */
export type Serving = {
  readonly runtime: Runtime;
  readonly port: number;
  /** The account of the image that everybody logs in as; undefined: everybody has their own name. */
  readonly account: string | undefined;
  /** The pods that it reaches. Others are about to go. */
  readonly pods: readonly AccessPod[];
};

type Spec = Pick<SshAccessSpec, 'runtime' | 'mainContainer'>;

/** Who answers ssh in a pod. */
export const serverIn = ({ runtime, mainContainer }: InjectionRecord): Server =>
  runtime === 'sidecar' ? 'sidecar' : (mainContainer?.setup ?? 'init-script');

const isUnmanaged = ({ record }: AccessPod): boolean => record !== undefined && serverIn(record) === 'unmanaged';
const isMain = ({ record }: AccessPod): boolean => record?.runtime === 'main_container';

/**
 * While pods are made anew there are two kinds, and a route has one port and one runtime. A roll that sticks, or that
 * nobody has begun (rollout Manual), must lock nobody out:
 * - An unmanaged sshd has a port of its own. The route has the port where more pods take connections; where that is
 *   equal, the one of the spec.
 * - Of a route that says main_container, the piper tells by its ident what a pod is, and serves both kinds. Of one that
 *   says sidecar it serves only that, since users of an sshd share one uid: so it says so with the first sidecar that is
 *   ready.
 */
export function servingOf(spec: Spec, pods: readonly AccessPod[], stored: Route | undefined): Serving {
  const injected = pods.filter(({ record }) => record !== undefined);
  const [own, others] = [injected.filter((pod) => isUnmanaged(pod)), injected.filter((pod) => !isUnmanaged(pod))];
  const ready = (some: readonly AccessPod[]): number => some.filter(({ isReady }) => isReady).length;
  const isAsked = serverOf(spec) === 'unmanaged';
  const isServed = isAsked ? ready(own) >= ready(others) : ready(own) > ready(others);
  if (isServed) {
    const told = own.map(({ record }) => record?.mainContainer?.port).find((port) => port !== undefined);
    return { runtime: 'main_container', ...unmanagedLogin(spec, told, stored), pods: own };
  }
  const sidecars = others.filter((pod) => !isMain(pod));
  const isSidecar = spec.runtime === 'sidecar' && (ready(sidecars) > 0 || sidecars.length === others.length);
  const reached = isSidecar ? sidecars : others;
  return { runtime: isSidecar ? 'sidecar' : 'main_container', port: SSH_PORT, account: undefined, pods: reached };
}

const USUAL_PORT = 22;

/** By the spec, or, where that has changed, by what is known of the pods that are still there. */
export function unmanagedLogin(
  spec: Spec,
  told: number | undefined,
  stored: Route | undefined,
): { port: number; account: string | undefined } {
  if (serverOf(spec) === 'unmanaged') {
    const { port = USUAL_PORT, user } = spec.mainContainer ?? {};
    return { port, account: user };
  }
  const account = stored?.users.map(({ upstreamUser }) => upstreamUser).find((name) => name !== undefined);
  return { port: told ?? USUAL_PORT, account };
}

/**
 * The name to log in with, where it is not the user's own: pods of a main_container know the users that they were
 * started with, and whoever came later goes in under the name of the first of them.
 */
export function upstreamUserOf({ account, pods }: Serving, username: string): string | undefined {
  if (account !== undefined) return account;
  const known = knownToAll(pods.filter((pod) => isMain(pod)));
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
  /** Of our Secret: the one in use, and while it is rotated another. */
  readonly own: readonly string[];
  /** Those that pods have shown to the prober. */
  readonly learned: readonly string[];
};

/** What a pod of this route must prove to hold: our own key wherever we bring it, else what the spec says, else what was seen. */
export function hostKeysOf({ pods }: Serving, spec: Spec, { own, learned }: KnownKeys): readonly string[] {
  const servers = new Set<Server>([
    serverOf(spec),
    ...pods.flatMap(({ record }) => (record ? [serverIn(record)] : [])),
  ]);
  const given = servers.has('unmanaged') ? spec.mainContainer?.hostKeys : undefined;
  const brought = servers.has('sidecar') || servers.has('init-script') ? own : [];
  const shown = servers.has('image') || servers.has('unmanaged') ? (given ?? learned) : [];
  // Ours first: it is never the one too many.
  return [...new Set([...brought, ...readHostKeys(shown).keys])].slice(0, MOST_HOST_KEYS);
}

/** Of the host keys in the spec not one can be used. */
export function hostKeyProblem(spec: Spec): Finding | undefined {
  const given = spec.runtime === 'main_container' ? spec.mainContainer?.hostKeys : undefined;
  const { keys, bad } = readHostKeys(given ?? []);
  return bad.length > 0 && keys.length === 0 ? finding('HostKeyNotUsable', bad.join(', ')) : undefined;
}
