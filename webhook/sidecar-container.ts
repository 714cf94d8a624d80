import { SIDECAR_CONTAINER, SIDECAR_ENV, SSH_PORT } from '../crds/index.ts';
import type { InjectionPlan } from './injection-plan.ts';
import type { Container, Resources } from './pod.ts';
import type { Privileges } from './security-context.ts';
import { SIDECAR_ARGUMENTS, SIDECAR_COMMAND } from './sidecar-command.ts';
import type { ResourceSettings } from './sidecar-resources.ts';
import { SIDECAR_MOUNTS } from './sidecar-volumes.ts';

export type SidecarImage = { image: string; pullPolicy: string };
/** What the installation says about every sidecar. */
export type SidecarSettings = SidecarImage & {
  resources: ResourceSettings;
  /** Where each serves metrics; 0: nowhere. */
  metricsPort: number;
};

/**
 * The native sidecar (Kubernetes KEP-753): it starts before the app and its init containers, and does not keep a Job from
 * completing. It has no probe on purpose: a startup probe of a native sidecar holds the app back until it succeeds, and
 * its readiness counts for the readiness of the pod. The app never waits for ssh.
 *
 * Fields that the API server would default are written out, so that a second round of admission finds nothing to change.
 */
export function sidecarContainer(
  { image, pullPolicy, metricsPort }: SidecarImage & { metricsPort: number | undefined },
  { container }: InjectionPlan,
  { sessionEntry, processNamespace, rootUid, limitedUid, context }: Privileges,
  resources: Resources,
): Container {
  return {
    name: SIDECAR_CONTAINER,
    image,
    imagePullPolicy: pullPolicy,
    command: SIDECAR_COMMAND,
    args: SIDECAR_ARGUMENTS,
    restartPolicy: 'Always',
    ports: [
      { name: 'ssh', containerPort: SSH_PORT, protocol: 'TCP' },
      // A PodMonitor finds it by this name.
      ...(metricsPort === undefined ? [] : [{ name: 'ssh-metrics', containerPort: metricsPort, protocol: 'TCP' }]),
    ],
    env: [
      { name: SIDECAR_ENV.container, value: container },
      { name: SIDECAR_ENV.sessionEntry, value: sessionEntry },
      { name: SIDECAR_ENV.processNamespace, value: processNamespace },
      // The API server leaves empty values out, so we do.
      { name: SIDECAR_ENV.rootUid, ...(rootUid !== null && { value: String(rootUid) }) },
      { name: SIDECAR_ENV.limitedUid, ...(limitedUid !== null && { value: String(limitedUid) }) },
      fromField(SIDECAR_ENV.podName, 'metadata.name'),
      fromField(SIDECAR_ENV.namespace, 'metadata.namespace'),
      ...(metricsPort === undefined ? [] : [{ name: SIDECAR_ENV.metricsPort, value: String(metricsPort) }]),
      // The NVIDIA runtime gives every GPU to a container that does not say otherwise.
      { name: 'NVIDIA_VISIBLE_DEVICES', value: 'void' },
    ],
    resources,
    securityContext: context,
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    volumeMounts: SIDECAR_MOUNTS,
  };
}

const fromField = (name: string, fieldPath: string) => ({
  name,
  valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } },
});
