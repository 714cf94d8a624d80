import { ANNOTATION_INJECTED, MARKER_ENV, SIDECAR_CONTAINER, type InjectionRecord } from '../crds/index.ts';
import { fitInto } from './limit-range.ts';
import type { InjectionPlan } from './injection-plan.ts';
import { has, putAll, putFirst, putLast } from './named-list.ts';
import type { Container, Pod } from './pod.ts';
import { withProcessNamespace } from './process-namespace.ts';
import { ANNOTATION_SIDECAR_IMAGE, refresh } from './refresh.ts';
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
  const granted = privileges(pod, app, plan.level, plan.processNamespace.is);
  const record: InjectionRecord = {
    version: 1,
    access: plan.access,
    container: plan.container,
    sessionEntry: granted.sessionEntry,
    rootUid: granted.rootUid,
    limitedUid: granted.limitedUid,
    processNamespace: plan.processNamespace.is,
    processNamespaceReason: plan.processNamespace.because,
    runtime: 'sidecar',
  };
  const others = withoutSidecar(pod);
  const resources = fitInto(sidecarResources(others, settings.resources), plan.limitRanges);
  const sidecar = refresh(pod, sidecarContainer(settings, plan, granted, resources));
  const volumes = sidecarVolumes(plan.access, granted.context.runAsUser);
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      annotations: {
        ...pod.metadata.annotations,
        [ANNOTATION_INJECTED]: JSON.stringify(record),
        [ANNOTATION_SIDECAR_IMAGE]: settings.image,
      },
    },
    spec: {
      ...withProcessNamespace(pod, plan.processNamespace),
      initContainers: putFirst(pod.spec.initContainers ?? [], sidecar),
      containers: pod.spec.containers.map((container) => mark(container, plan.container)),
      volumes: putAll(pod.spec.volumes ?? [], volumes),
    },
  };
}

const withoutSidecar = (pod: Pod): Pod => ({
  ...pod,
  spec: { ...pod.spec, initContainers: pod.spec.initContainers?.filter(({ name }) => name !== SIDECAR_CONTAINER) },
});

/** By this variable the sidecar tells the target's processes from those of the pod's other containers. */
function mark(container: Container, target: string): Container {
  if (container.name === target) {
    return { ...container, env: putLast(container.env ?? [], { name: MARKER_ENV, value: target }) };
  }
  // A pod copied from an injected one may carry the marker of another target.
  if (!has(container.env ?? [], MARKER_ENV)) return container;
  return { ...container, env: container.env?.filter(({ name }) => name !== MARKER_ENV) };
}
