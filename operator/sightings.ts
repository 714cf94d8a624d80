/** Pure: what is remembered of pods of runtime main_container, over restarts of the operator, on the route's Secret. */
import { isIP } from 'node:net';
import * as z from 'zod';
import { MOST_HOST_KEYS, SSH_PORT, type Route, type Server, type SshAccessSpec } from '../crds/index.ts';
import type { AccessPod } from './access-pod.ts';
import type { Outcome, ProbeTarget } from './probe/outcome.ts';
import { readHostKeys, serverIn, unmanagedLogin } from './serving.ts';

/** Data key of a route Secret; the piper does not read it. */
export const SIGHTINGS_KEY = 'sightings.json';

/** The last time that a probe got into a pod: which container it was, and what its sshd showed. */
const Sighting = z.object({ pod: z.string(), container: z.string(), hostKey: z.string(), ident: z.string() });
export type Sighting = z.infer<typeof Sighting>;
/** What is written in it grants nothing without its pod. */
export const Sightings = z.array(Sighting).max(MOST_HOST_KEYS);

export type Outcomes = ReadonlyMap<string, Outcome>;

const sightingOf = (sightings: readonly Sighting[], { uid }: AccessPod) => sightings.find(({ pod }) => pod === uid);

/** What this container of the pod has shown; undefined: no probe has got into it. */
export const currentSighting = (sightings: readonly Sighting[], pod: AccessPod) => {
  const sighting = sightingOf(sightings, pod);
  return sighting?.container === pod.main?.id ? sighting : undefined;
};

/**
 * With what was found now. A pod that is gone is forgotten; of one whose container was started again, what it was is
 * remembered until a probe gets into it: most keep their host key over a restart.
 */
export function remember(
  stored: readonly Sighting[],
  pods: readonly AccessPod[],
  outcomes: Outcomes,
): readonly Sighting[] {
  const sightings = pods.flatMap((pod) => {
    const outcome = outcomes.get(pod.uid);
    if (pod.main === undefined) return [];
    if (outcome?.result !== 'reached') return sightingOf(stored, pod) ?? [];
    return { pod: pod.uid, container: pod.main.id, hostKey: outcome.hostKey, ident: outcome.ident };
  });
  return sightings.toSorted((left, right) => (left.pod < right.pod ? -1 : 1)).slice(0, MOST_HOST_KEYS);
}

/** The pods, and whether they take connections: since the kubelet knows nothing of an sshd, the last probe counts. */
export function asSeen(
  pods: readonly AccessPod[],
  sightings: readonly Sighting[],
  outcomes: Outcomes,
): readonly AccessPod[] {
  return pods.map((pod) => {
    if (pod.main === undefined) return pod;
    const outcome = outcomes.get(pod.uid);
    const isReached =
      outcome === undefined ? currentSighting(sightings, pod) !== undefined : outcome.result === 'reached';
    return { ...pod, isReady: pod.main.isRunning && isReached };
  });
}

export type ProbeContext = {
  readonly spec: Pick<SshAccessSpec, 'runtime' | 'mainContainer'>;
  /** What the route says now. */
  readonly stored: Route | undefined;
  /** Of the primary user. */
  readonly username: string;
  readonly mappingKey: string;
  /** The lines of the host keys in our Secret. */
  readonly ownHostKeys: readonly string[];
  readonly sightings: readonly Sighting[];
};

/** Where to look: the running pods of runtime main_container, whether the route reaches them already or not. */
export function probeTargets(pods: readonly AccessPod[], context: ProbeContext): readonly ProbeTarget[] {
  const { hostKeys } = context.spec.mainContainer ?? {};
  // Once: they are the same for each of its pods.
  const given = hostKeys && readHostKeys(hostKeys).keys;
  return pods.flatMap((pod) => {
    const { record, main, address } = pod;
    if (record === undefined || main === undefined || address === undefined) return [];
    if (!main.isRunning || main.id === '' || isIP(address) === 0) return [];
    const login = loginOf(record, context);
    const expected = expectedKeys(pod, serverIn(record), given, context);
    if (login === undefined || expected === undefined) return [];
    const { mappingKey } = context;
    return [{ pod: pod.uid, container: main.id, address, mappingKey, ...login, ...expected }];
  });
}

function loginOf(record: NonNullable<AccessPod['record']>, { spec, stored, username }: ProbeContext) {
  const { port = SSH_PORT, usernames = [] } = record.mainContainer ?? {};
  if (serverIn(record) !== 'unmanaged') return { port: SSH_PORT, username: usernames[0] ?? username };
  const known = unmanagedLogin(spec, port, stored);
  return known.account === undefined ? undefined : { port: known.port, username: known.account };
}

/** Undefined: there are none that anybody could show. */
function expectedKeys(
  pod: AccessPod,
  server: Server,
  given: readonly string[] | undefined,
  { ownHostKeys, sightings }: ProbeContext,
): Pick<ProbeTarget, 'hostKeys' | 'isLearning'> | undefined {
  if (server === 'init-script') return { hostKeys: ownHostKeys, isLearning: false };
  if (server === 'unmanaged' && given !== undefined)
    return given.length === 0 ? undefined : { hostKeys: given, isLearning: false };
  const known = currentSighting(sightings, pod);
  return { hostKeys: known === undefined ? [] : [known.hostKey], isLearning: true };
}
