import { MARKER_ENV, type InjectionRecord } from '../crds/index.ts';
import type { Injection, OwnPod } from './injection.ts';
import type { InjectionPlan } from './injection-plan.ts';
import { fitInto } from './limit-range.ts';
import { allContainers, declaresPort, type Pod } from './pod.ts';
import { refresh } from './refresh.ts';
import { privileges } from './security-context.ts';
import { sidecarContainer, type SidecarSettings } from './sidecar-container.ts';
import { sidecarResources } from './sidecar-resources.ts';
import { sidecarVolumes } from './sidecar-volumes.ts';

/** Runtime `sidecar`: our sshd in a container of its own. */
export function sidecarInjection(
  { pod, own, target }: OwnPod,
  plan: InjectionPlan,
  settings: SidecarSettings,
): Injection {
  const { processNamespace } = plan;
  const granted = privileges(own, target, plan.level, processNamespace.is);
  const metricsPort = metricsPortIn(own, settings);
  const record: InjectionRecord = {
    version: 1,
    access: plan.access,
    container: plan.container,
    sessionEntry: granted.sessionEntry,
    rootUid: granted.rootUid,
    limitedUid: granted.limitedUid,
    processNamespace: processNamespace.is,
    processNamespaceReason: processNamespace.because,
    runtime: 'sidecar',
    metricsPort,
  };
  const resources = fitInto(sidecarResources(own, settings.resources), plan.limitRanges);
  return {
    record,
    initContainers: [refresh(pod, record, sidecarContainer({ ...settings, metricsPort }, plan, granted, resources))],
    image: settings.image,
    volumes: sidecarVolumes(plan.access, granted.context.runAsUser),
    target: {
      name: plan.container,
      // By it the sidecar tells the target's processes from those of the pod's other containers.
      env: [{ name: MARKER_ENV, value: plan.container }],
      mounts: [],
      declaresPort: false,
      logsItsEnd: false,
    },
  };
}

/** A port that a container of the pod declares is that container's. */
const metricsPortIn = (own: Pod, { metricsPort }: SidecarSettings): number | undefined =>
  metricsPort === 0 || declaresPort(allContainers(own), metricsPort) ? undefined : metricsPort;
