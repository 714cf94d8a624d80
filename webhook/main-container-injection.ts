import type { InjectionRecord } from '../crds/index.ts';
import type { Injection, OwnPod } from './injection.ts';
import type { InjectionPlan } from './injection-plan.ts';
import { fitInto } from './limit-range.ts';
import { mainContainerEnv } from './main-container-env.ts';
import type { MainContainerPlan } from './main-container-plan.ts';
import { mainContainerMounts, mainContainerVolumes } from './main-container-volumes.ts';
import type { Container } from './pod.ts';
import { refresh } from './refresh.ts';
import { sessionIds } from './session-ids.ts';
import { setupContainer, SETUP_RESOURCES } from './setup-container.ts';
import type { SidecarSettings } from './sidecar-container.ts';
import { sidecarResources } from './sidecar-resources.ts';

/**
 * Runtime `main_container`: what the sshd of the app's own image is told. Its command, its security context and its process
 * namespace are the app's; an fsGroup of ours would change the owner of its volumes.
 */
export function mainContainerInjection(
  given: OwnPod,
  plan: InjectionPlan & { mainContainer: MainContainerPlan },
  settings: SidecarSettings,
): Injection {
  const { own, target } = given;
  const { mainContainer } = plan;
  const isManaged = mainContainer.setup !== 'unmanaged';
  const ids = sessionIds(own, target);
  const env = mainContainerEnv(target, mainContainer, ids);
  // Whom the account of an unmanaged image is, only the image knows.
  const uid = isManaged ? ids.uid : null;
  const record: InjectionRecord = {
    version: 1,
    access: plan.access,
    container: plan.container,
    sessionEntry: 'sshd',
    // One sshd, one uid, whoever it is: what the roles may do there, the piper decides.
    rootUid: uid,
    limitedUid: uid,
    processNamespace: plan.processNamespace.is,
    processNamespaceReason: plan.processNamespace.because,
    runtime: 'main_container',
    mainContainer: {
      setup: mainContainer.setup,
      port: mainContainer.port,
      usernames: [...mainContainer.usernames],
      settings: mainContainer.settings,
      environment: env.map(({ name }) => name),
    },
  };
  const initContainers = mainContainer.setup === 'image' ? [setup(given, plan, settings, record)] : [];
  return {
    record,
    initContainers,
    image: initContainers.length === 0 ? undefined : settings.image,
    volumes: mainContainerVolumes(target, mainContainer, plan.access),
    target: {
      name: plan.container,
      env,
      mounts: mainContainerMounts(target, mainContainer),
      declaresPort: isManaged,
      logsItsEnd: isManaged,
    },
  };
}

function setup(
  given: OwnPod,
  { mainContainer, limitRanges }: InjectionPlan & { mainContainer: MainContainerPlan },
  settings: SidecarSettings,
  record: InjectionRecord,
): Container {
  const resources = fitInto(sidecarResources(given.own, SETUP_RESOURCES), limitRanges);
  return refresh(given.pod, record, setupContainer(settings, given, mainContainer, resources));
}
