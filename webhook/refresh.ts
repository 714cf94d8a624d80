import { ANNOTATION_INJECTED, GROUP, type InjectionRecord } from '../crds/index.ts';
import { putAll } from './named-list.ts';
import type { Container, Mount, Pod } from './pod.ts';

/** On an injected pod: the image that we asked for, by which a second round knows a container of this very version. */
export const ANNOTATION_SIDECAR_IMAGE = `${GROUP}/sidecar-image`;

/**
 * Our container that the pod shall have, given the one that it may have already.
 *
 * Between two rounds of admission others change our container too, and check it afterwards: AlwaysPullImages sets the pull
 * policy, LimitRanger adds ephemeral-storage, a registry mirror rewrites the image. To take that back would get the pod
 * refused, so what they set stays. One of another version comes from a copied pod, and is replaced as a whole; of one that
 * was decided on otherwise, for another target say, no privilege and no mount may stay.
 */
export function refresh(pod: Pod, record: InjectionRecord, fresh: Container): Container {
  const present = pod.spec.initContainers?.find(({ name }) => name === fresh.name);
  const annotations = pod.metadata.annotations ?? {};
  if (present === undefined || annotations[ANNOTATION_SIDECAR_IMAGE] !== fresh.image) return fresh;
  const { image, imagePullPolicy, resources } = present;
  const renewed = { ...fresh, image, imagePullPolicy, resources };
  if (annotations[ANNOTATION_INJECTED] !== JSON.stringify(record)) return renewed;
  return {
    ...present,
    ...renewed,
    env: putAll(present.env ?? [], fresh.env ?? []),
    volumeMounts: putMounts(present.volumeMounts ?? [], fresh.volumeMounts ?? []),
    securityContext: { ...present.securityContext, ...fresh.securityContext },
  };
}

/** Ours, and those of others at other paths. */
function putMounts(present: readonly Mount[], fresh: readonly Mount[]): Mount[] {
  const others = present.filter(({ mountPath }) => !fresh.some((mount) => mount.mountPath === mountPath));
  return [...fresh, ...others];
}
