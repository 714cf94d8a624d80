/** Pure: an injection as a thing, put into a pod and taken out of it. */
import {
  ANNOTATION_INJECTED,
  ANNOTATION_SKIPPED,
  MARKER_ENV,
  SSH_ENV,
  SSH_PORT,
  type InjectionRecord,
} from '../crds/index.ts';
import { evictableVolumes } from './evictable.ts';
import { injectedBefore } from './injected-before.ts';
import { exchange } from './named-list.ts';
import { OUR_CONTAINERS, OUR_VOLUMES, VOLUMES } from './our-names.ts';
import { isTcpPort, type Container, type Mount, type Pod, type Port, type Variable, type Volume } from './pod.ts';
import { ANNOTATION_SIDECAR_IMAGE } from './refresh.ts';

/** Everything that an injection puts into a pod: what an earlier one has left beside it goes. */
export type Injection = {
  record: InjectionRecord | undefined;
  /** None or one, before all others. */
  initContainers: readonly Container[];
  /** What the init container was asked to be, before others changed it. */
  image: string | undefined;
  volumes: readonly Volume[];
  target: {
    name: string | undefined;
    env: readonly Variable[];
    mounts: readonly Mount[];
    declaresPort: boolean;
    /** An empty termination message becomes the end of the log: so a broken sshd explains itself in the pod's status. */
    logsItsEnd: boolean;
  };
};

const NOTHING: Injection = {
  record: undefined,
  initContainers: [],
  image: undefined,
  volumes: [],
  target: { name: undefined, env: [], mounts: [], declaresPort: false, logsItsEnd: false },
};

/** A pod, and it and its target container as they are without what an earlier injection left. */
export type OwnPod = { pod: Pod; own: Pod; target: Container };

/** The pod as it was before an earlier injection, of either runtime, but for what may be the pod's own as well. */
export const withoutInjection = (pod: Pod): Pod =>
  injectedBefore(pod) === undefined ? pod : putInjection(pod, NOTHING);

/**
 * The pod with `injection` in place of an earlier one. What stays, stays where it stands, since the order of variables
 * and containers means something; so twice equals once.
 */
export function putInjection(pod: Pod, injection: Injection): Pod {
  const earlier = injectedBefore(pod);
  const isOurs = earlier !== undefined;
  const { spec, metadata } = pod;
  const initContainers = exchange(spec.initContainers, isOurs ? OUR_CONTAINERS : [], injection.initContainers, 'first');
  const volumes = exchange(spec.volumes, isOurs ? OUR_VOLUMES : [], injection.volumes);
  const annotations = {
    ...metadata.annotations,
    [ANNOTATION_INJECTED]: injection.record && JSON.stringify(injection.record),
    [ANNOTATION_SIDECAR_IMAGE]: injection.image,
    // From a pod that it was copied from.
    [ANNOTATION_SKIPPED]: undefined,
    ...evictableVolumes(
      metadata.annotations,
      VOLUMES.runtime,
      volumes?.some(({ name }) => name === VOLUMES.runtime) ?? false,
    ),
  };
  return {
    ...pod,
    metadata: { ...metadata, annotations: defined(annotations) },
    spec: {
      ...spec,
      ...(initContainers !== undefined && { initContainers }),
      containers: spec.containers.map((container) => putIntoContainer(container, earlier, injection.target)),
      ...(volumes !== undefined && { volumes }),
    },
  };
}

const defined = (values: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])));

function putIntoContainer(
  container: Container,
  earlier: InjectionRecord | undefined,
  target: Injection['target'],
): Container {
  const wanted = container.name === target.name ? target : NOTHING.target;
  const was = container.name === earlier?.container ? earlier : undefined;
  const env = exchange(container.env, ourVariables(was), wanted.env);
  const volumeMounts = exchangeMounts(container.volumeMounts, earlier !== undefined, wanted.mounts);
  const ports = exchangePort(container.ports, was?.runtime === 'main_container', wanted.declaresPort);
  return {
    ...container,
    ...(env !== undefined && { env }),
    ...(volumeMounts !== undefined && { volumeMounts }),
    ...(ports !== undefined && { ports }),
    // Never taken back: it may be the pod's own, and does no more than fill what is empty.
    ...(wanted.logsItsEnd && { terminationMessagePolicy: 'FallbackToLogsOnError' }),
  };
}

/** A pod copied from an injected one may carry the marker of another target, whose processes it would be taken for. */
function ourVariables(was: InjectionRecord | undefined): readonly string[] {
  const recorded = new Set(was?.mainContainer?.environment);
  return [MARKER_ENV, ...Object.values(SSH_ENV).filter((name) => recorded.has(name))];
}

function exchangeMounts(
  present: readonly Mount[] | undefined,
  isOurs: boolean,
  wanted: readonly Mount[],
): Mount[] | undefined {
  if (present === undefined && wanted.length === 0) return undefined;
  const counterpart = (mount: Mount): Mount | undefined =>
    wanted.find(({ name, mountPath }) => name === mount.name && mountPath === mount.mountPath);
  const kept = (present ?? []).flatMap((mount) => {
    const gone = isOurs && OUR_VOLUMES.includes(mount.name);
    return counterpart(mount) ?? (gone ? [] : mount);
  });
  const missing = wanted.filter((mount) => !kept.includes(mount));
  return [...kept, ...missing];
}

const PORT = { name: 'sshaccess', containerPort: SSH_PORT, protocol: 'TCP' };

/** A declaration says something to people, and opens nothing: where the pod has one of its own, ours is not needed. */
function exchangePort(present: Port[] | undefined, isOurs: boolean, isWanted: boolean): Port[] | undefined {
  const isPort = (port: Port): boolean => port.name === PORT.name && isTcpPort(port, PORT.containerPort);
  if (!isWanted) return isOurs ? present?.filter((port) => !isPort(port)) : present;
  const isThere = present?.some((port) => isTcpPort(port, SSH_PORT) || port.name === PORT.name) ?? false;
  return isThere ? present : [...(present ?? []), PORT];
}
