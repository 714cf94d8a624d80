import { putInjection, withoutInjection } from './injection.ts';
import type { InjectionPlan } from './injection-plan.ts';
import { mainContainerInjection } from './main-container-injection.ts';
import type { Pod } from './pod.ts';
import { withProcessNamespace } from './process-namespace.ts';
import type { SidecarSettings } from './sidecar-container.ts';
import { sidecarInjection } from './sidecar-injection.ts';

/**
 * The pod with ssh in it. Pure, and twice equals once: what an earlier injection left is replaced where it stands, so a
 * second round changes nothing, and a pod copied from an injected one, of whichever runtime, is brought up to date.
 */
export function inject(pod: Pod, plan: InjectionPlan, settings: SidecarSettings): Pod {
  const own = withoutInjection(pod);
  const target = own.spec.containers.find(({ name }) => name === plan.container);
  if (target === undefined) throw new Error(`the plan names container ${plan.container}, which the pod does not have`);
  const given = { pod, own, target };
  const { mainContainer } = plan;
  const injection =
    mainContainer === undefined
      ? sidecarInjection(given, plan, settings)
      : mainContainerInjection(given, { ...plan, mainContainer }, settings);
  return putInjection({ ...pod, spec: withProcessNamespace(pod, plan.processNamespace) }, injection);
}
