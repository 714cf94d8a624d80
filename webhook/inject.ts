import { ANNOTATION_INJECTED, MARKER_ENV, SIDECAR_CONTAINER, type InjectionRecord } from '../crds/index.ts';
import type { InjectionPlan } from './injection-plan.ts';
import type { Container, Pod, Volume } from './pod.ts';
import { privileges } from './security-context.ts';
import { sidecarContainer, type SidecarImage } from './sidecar-container.ts';
import { sidecarResources, type ResourceSettings } from './sidecar-resources.ts';
import { sidecarVolumes } from './sidecar-volumes.ts';

/** What the installation says about every sidecar. */
export type SidecarSettings = SidecarImage & { resources: ResourceSettings };

/**
 * The pod with the sidecar in it. Pure, and twice equals once: what an earlier injection left is replaced where it stands,
 * so a second round changes nothing, and a pod copied from an injected one is brought up to date.
 */
export function inject(pod: Pod, plan: InjectionPlan, settings: SidecarSettings): Pod {
  const app = pod.spec.containers.find(({ name }) => name === plan.container);
  if (app === undefined) throw new Error(`the plan names container ${plan.container}, which the pod does not have`);
  const granted = privileges(pod, app, plan.level);
  const record: InjectionRecord = {
    version: 1,
    access: plan.access,
    container: plan.container,
    sessionEntry: granted.sessionEntry,
    rootUid: granted.rootUid,
  };
  const others = withoutSidecar(pod);
  const sidecar = sidecarContainer(settings, plan, granted, sidecarResources(others, settings.resources));
  const volumes = sidecarVolumes(plan.access, granted.context.runAsUser);
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      annotations: { ...pod.metadata.annotations, [ANNOTATION_INJECTED]: JSON.stringify(record) },
    },
    spec: {
      ...pod.spec,
      // An explicit false is the app's wish to be process 1; privileges() has respected it.
      shareProcessNamespace: pod.spec.shareProcessNamespace ?? true,
      initContainers: putFirst(pod.spec.initContainers ?? [], sidecar),
      containers: pod.spec.containers.map((container) => mark(container, plan.container)),
      volumes: volumes.reduce<readonly Volume[]>(putLast, pod.spec.volumes ?? []).slice(),
    },
  };
}

const withoutSidecar = (pod: Pod): Pod => ({
  ...pod,
  spec: { ...pod.spec, initContainers: pod.spec.initContainers?.filter(({ name }) => name !== SIDECAR_CONTAINER) },
});

type Named = { name: string };

const replace = <T extends Named>(list: readonly T[], item: T): T[] =>
  list.map((old) => (old.name === item.name ? item : old));

const has = (list: readonly Named[], item: Named): boolean => list.some(({ name }) => name === item.name);

/** First, so that ssh is there while the other init containers run, or fail. */
const putFirst = <T extends Named>(list: readonly T[], item: T): T[] =>
  has(list, item) ? replace(list, item) : [item, ...list];

const putLast = <T extends Named>(list: readonly T[], item: T): T[] =>
  has(list, item) ? replace(list, item) : [...list, item];

/** By this variable the sidecar tells the target's processes from those of the pod's other containers. */
function mark(container: Container, target: string): Container {
  if (container.name === target) {
    return { ...container, env: putLast(container.env ?? [], { name: MARKER_ENV, value: target }) };
  }
  // A pod copied from an injected one may carry the marker of another target.
  if (!has(container.env ?? [], { name: MARKER_ENV })) return container;
  return { ...container, env: container.env?.filter(({ name }) => name !== MARKER_ENV) };
}
