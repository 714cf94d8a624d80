import { MARKER_ENV, type InjectionRecord } from '../crds/index.ts';
import type { Injection, OwnPod } from './injection.ts';
import type { InjectionPlan } from './injection-plan.ts';
import { fitInto } from './limit-range.ts';
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
  };
  const resources = fitInto(sidecarResources(own, settings.resources), plan.limitRanges);
  return {
    record,
    initContainers: [refresh(pod, record, sidecarContainer(settings, plan, granted, resources))],
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
