/** The rotation of an SshAccess's two keys: the step that is due, and what is to be said of it. */
import { POD_SECRET_KEYS, type Server } from '../crds/index.ts';
import { keyOf } from '../lib/kube/object-key.ts';
import type { AccessPod } from './access-pod.ts';
import type { Config } from './config.ts';
import { finding, type Finding } from './findings.ts';
import { nameSome } from './injection.ts';
import { keyMaterial, type KeyMaterial } from './key-material.ts';
import { endOf, turn, type Delays, type KeyRing } from './key-rotation.ts';
import { storedRoute, type OwnObjects } from './own-objects.ts';
import type { Run } from './run.ts';
import { textOf } from './secret.ts';
import { serverIn } from './serving.ts';

type Delaying = Pick<Config, 'secretDelayMs' | 'routeDelayMs'>;
type Phase = 'spreading' | 'retiring';

/** Of each key: who verifies it, and which pods hold on to what their container began with. */
type Kind = {
  readonly what: string;
  readonly delays: (delaying: Delaying) => Delays;
  /** When a restart of those pods is waited for. */
  readonly podsIn: Phase;
  readonly isKeptBy: (server: Server) => boolean;
};

/** Pods verify it, by a file that is read at the start of the container, or, with subPath, mounted then. Pipers use it. */
const MAPPING_KEY: Kind = {
  what: 'mapping key',
  delays: ({ secretDelayMs, routeDelayMs }) => ({ verifiersMs: secretDelayMs, usersMs: routeDelayMs }),
  podsIn: 'spreading',
  isKeptBy: (server) => server !== 'sidecar',
};
/** Pipers verify it. Pods use it: the sidecar what is mounted now, an sshd what our init script found at its start. */
const HOST_KEY: Kind = {
  what: 'host key',
  delays: ({ secretDelayMs, routeDelayMs }) => ({ verifiersMs: routeDelayMs, usersMs: secretDelayMs }),
  podsIn: 'retiring',
  isKeptBy: (server) => server === 'init-script',
};

/** Those that were made before the mount had what it has now for sure. */
const holdouts = ({ isKeptBy }: Kind, pods: readonly AccessPod[], since: string): readonly AccessPod[] =>
  pods.filter(
    ({ record, createdAt }) =>
      record !== undefined && isKeptBy(serverIn(record)) && Date.parse(createdAt) < Date.parse(since),
  );

/** The keys as they are stored, or one step further. Wakes us up when the next step is due. */
export function turnKeys(run: Run, objects: OwnObjects): KeyMaterial {
  const { cached, now } = run;
  const { config, world } = run.options;
  const { asked } = cached;
  const keys = keyMaterial(objects.podSecret, objects.routeSecret, asked);
  // What cannot be written, cannot be rotated.
  if (objects.isPodSecretForeign || objects.isRouteSecretForeign) return keys;
  const pods = world.pods(keyOf(cached.metadata));
  const step = (kind: Kind, ring: KeyRing, wanted: string | undefined, isPublished: boolean): KeyRing => {
    const isHeldUp = (phase: Phase, since: string) => phase === kind.podsIn && holdouts(kind, pods, since).length > 0;
    const turned = turn(ring, { wanted, isPublished, isHeldUp, delays: kind.delays(config), now });
    if (turned.until !== undefined && Date.parse(turned.until) > now.getTime()) run.requeueAt(turned.until);
    return turned;
  };
  const { hostKey, mappingKey } = keys;
  return {
    ...keys,
    hostKey: step(HOST_KEY, hostKey, asked.hostKey, isPinned(hostKey, objects)),
    mappingKey: step(MAPPING_KEY, mappingKey, asked.mappingKey, isGiven(mappingKey, objects)),
  };
}

const isGiven = ({ next }: KeyRing, { podSecret }: OwnObjects): boolean =>
  next !== undefined && (textOf(podSecret, POD_SECRET_KEYS.mappingKeyPublic)?.includes(next.publicLine) ?? false);

/** A route to sshds that bring keys of their own has none of ours: nobody is there to be told. */
function isPinned({ current, next }: KeyRing, { routeSecret }: OwnObjects): boolean {
  const pinned = storedRoute(routeSecret)?.hostKeys;
  if (pinned === undefined || next === undefined) return false;
  return pinned.includes(next.publicLine) || !pinned.includes(current.publicLine);
}

/** Pods that a rotation waits for, and since when: those that are made from then on have what it takes. */
export type HeldUp = { readonly what: string; readonly since: string; readonly pods: string };

export type Rotations = {
  /** Undefined: no key was ever rotated. */
  readonly findings: readonly Finding[] | undefined;
  readonly heldUp: readonly HeldUp[];
};

/** @param cure what becomes of pods that a rotation waits for */
export function rotationsOf(
  { hostKey, mappingKey }: Pick<KeyMaterial, 'hostKey' | 'mappingKey'>,
  { pods, config, now, cure }: { pods: readonly AccessPod[]; config: Delaying; now: Date; cure: string },
): Rotations {
  const heldUp: HeldUp[] = [];
  const findings = [[MAPPING_KEY, mappingKey] as const, [HOST_KEY, hostKey] as const].flatMap(([kind, ring]) => {
    const { what } = kind;
    const end = endOf(ring, kind.delays(config), now);
    if (end === undefined) return [];
    const { until, next } = ring;
    const isPodsTurn = kind.podsIn === (next === undefined ? 'retiring' : 'spreading');
    const isOver = until !== undefined && Date.parse(until) <= now.getTime();
    const waited = isPodsTurn && isOver ? holdouts(kind, pods, until) : [];
    if (waited.length === 0 || until === undefined) return finding('KeysRotating', what, end);
    const names = nameSome(waited.map(({ name }) => name));
    heldUp.push({ what, since: until, pods: names });
    return finding('KeysWaitForPods', what, names, cure);
  });
  const isUnheardOf = hostKey.handled === undefined && mappingKey.handled === undefined;
  return { findings: isUnheardOf ? undefined : findings, heldUp };
}
