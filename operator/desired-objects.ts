/** Pure: what our objects must look like. */
import {
  LABEL_ACCESS,
  LABEL_ENDPOINTS,
  LABEL_ROUTE,
  POD_SECRET_KEYS,
  podSecretName,
  Route,
  ROUTE_SECRET_KEYS,
  routeSecretName,
  serviceName,
  SSHD_SECRET_KEYS,
  type Ceiling,
  type Kick,
  type RouteUser,
  type Runtime,
} from '../crds/index.ts';
import type { Manifest } from '../lib/kube/apply.ts';
import { controllerReference } from '../lib/kube/owner-reference.ts';
import type { Metadata } from './cached-access.ts';
import { ANNOTATION_HOST_KEY_ROTATION, ANNOTATION_MAPPING_KEY_ROTATION } from './key-material.ts';
import { acceptedLines, noteOf, type KeyRing } from './key-rotation.ts';
import type { PreviousCeiling } from './policies.ts';
import { SSH_ACCESSES } from './resources.ts';
import { encode } from './secret.ts';
import { SIGHTINGS_KEY, type Sighting } from './sightings.ts';
import { sshdSettings } from './sshd-settings.ts';

const MANAGED_BY = { 'app.kubernetes.io/managed-by': 'sshaccess' };
/** On the pod's Secret, while kubelets still carry the ceiling before. */
export const ANNOTATION_PREVIOUS_CEILING = 'sshaccess.dev/previous-ceiling';
/** On the pod's Secret: when what sshd in a main_container is told last changed. It reads that only as it starts. */
export const ANNOTATION_SETTINGS_SINCE = 'sshaccess.dev/sshd-settings-since';
/** On the pod's Secret: when its keys were first made for this SshAccess. */
export const ANNOTATION_KEYS_SINCE = 'sshaccess.dev/keys-since';
/** On a route Secret: whose it is, `namespace/name`. */
export const ANNOTATION_ROUTE_OF = 'sshaccess.dev/route-of';
/** On a route Secret: the usernames that belong to its SshAccess, whether anybody can log in under them or not. */
export const ANNOTATION_USERNAMES = 'sshaccess.dev/usernames';
export const parseUsernames = (annotation = ''): readonly string[] =>
  annotation.split(' ').filter((name) => name !== '');

export type SecretManifest = Manifest & {
  metadata: { labels: Record<string, string>; annotations: Record<string, string> };
  type: string;
  data: Record<string, string>;
};

export type ServiceManifest = Manifest & { metadata: { labels: Record<string, string> } };

export type PodSecretContent = {
  hostKey: KeyRing;
  mappingKey: KeyRing;
  ceiling: Ceiling;
  previous: PreviousCeiling | undefined;
  /** Where there are, or will be, pods of runtime main_container. */
  initScript: string | undefined;
  /** When what sshd is told last changed; undefined: never. */
  settingsSince: string | undefined;
  /** When the keys were made; undefined: nobody has noted it. */
  keysSince: string | undefined;
};

export function podSecret(metadata: Metadata, content: PodSecretContent): SecretManifest {
  const { hostKey, mappingKey, ceiling, previous, initScript, settingsSince, keysSince } = content;
  return {
    metadata: {
      namespace: metadata.namespace,
      name: podSecretName(metadata.name),
      labels: MANAGED_BY,
      annotations: {
        ...rotationNote(ANNOTATION_HOST_KEY_ROTATION, hostKey),
        ...(previous !== undefined && { [ANNOTATION_PREVIOUS_CEILING]: JSON.stringify(previous) }),
        ...(settingsSince !== undefined && { [ANNOTATION_SETTINGS_SINCE]: settingsSince }),
        ...(keysSince !== undefined && { [ANNOTATION_KEYS_SINCE]: keysSince }),
      },
      ownerReferences: [controllerReference(SSH_ACCESSES, metadata)],
    },
    type: 'Opaque',
    data: {
      [POD_SECRET_KEYS.hostKey]: encode(hostKey.current.pem),
      ...(hostKey.next && { [POD_SECRET_KEYS.nextHostKey]: encode(hostKey.next.pem) }),
      [POD_SECRET_KEYS.mappingKeyPublic]: encode(
        acceptedLines(mappingKey)
          .map((line) => `${line}\n`)
          .join(''),
      ),
      [POD_SECRET_KEYS.ceiling]: encode(JSON.stringify(ceiling)),
      ...(initScript !== undefined && {
        [SSHD_SECRET_KEYS.initScript]: encode(initScript),
        [SSHD_SECRET_KEYS.settings]: encode(sshdSettings(ceiling)),
      }),
    },
  };
}

/** Where there was ever a rotation. */
function rotationNote(annotation: string, ring: KeyRing): Record<string, string> {
  const note = JSON.stringify(noteOf(ring));
  return note === '{}' ? {} : { [annotation]: note };
}

/** @throws ZodError where the route would not be what the piper parses */
export function route(
  metadata: Metadata,
  content: {
    enabled: boolean;
    runtime: Runtime;
    port: number;
    hostKeys: readonly string[];
    awaitsRollout: boolean;
    banner: string | undefined;
    users: readonly RouteUser[];
    kicks?: readonly Kick[];
  },
): Route {
  return Route.parse({
    version: 1,
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    enabled: content.enabled,
    service: serviceName(metadata.name),
    port: content.port,
    runtime: content.runtime,
    hostKeys: content.hostKeys,
    ...(content.awaitsRollout && { awaitsRollout: true }),
    ...(content.banner !== undefined && { banner: content.banner }),
    // Also where access is switched off: who proves to be one of them is told so.
    users: content.users,
    ...(content.kicks !== undefined && content.kicks.length > 0 && { kicks: content.kicks }),
  });
}

export type RouteSecretContent = {
  route: Route;
  mappingKey: KeyRing;
  /** All that belong to the SshAccess. */
  usernames: readonly string[];
  sightings: readonly Sighting[];
};

export function routeSecret(systemNamespace: string, content: RouteSecretContent): SecretManifest {
  const { route: wanted, mappingKey, usernames, sightings } = content;
  return {
    metadata: {
      namespace: systemNamespace,
      name: routeSecretName(wanted.uid),
      labels: { ...MANAGED_BY, [LABEL_ROUTE]: 'true' },
      annotations: {
        [ANNOTATION_ROUTE_OF]: `${wanted.namespace}/${wanted.name}`,
        [ANNOTATION_USERNAMES]: usernames.join(' '),
        ...rotationNote(ANNOTATION_MAPPING_KEY_ROTATION, mappingKey),
      },
    },
    type: 'Opaque',
    data: {
      [ROUTE_SECRET_KEYS.route]: encode(JSON.stringify(wanted)),
      [ROUTE_SECRET_KEYS.mappingKey]: encode(mappingKey.current.pem),
      ...(mappingKey.next && { [ROUTE_SECRET_KEYS.nextMappingKey]: encode(mappingKey.next.pem) }),
      ...(sightings.length > 0 && { [SIGHTINGS_KEY]: encode(JSON.stringify(sightings)) }),
    },
  };
}

/** Headless, and it publishes pods that are not ready: broken apps are when people need ssh. */
export function service(metadata: Metadata, port: number): ServiceManifest {
  return {
    metadata: {
      namespace: metadata.namespace,
      name: serviceName(metadata.name),
      labels: { ...MANAGED_BY, [LABEL_ENDPOINTS]: metadata.name },
      ownerReferences: [controllerReference(SSH_ACCESSES, metadata)],
    },
    spec: {
      clusterIP: 'None',
      publishNotReadyAddresses: true,
      selector: { [LABEL_ACCESS]: metadata.name },
      ports: [{ name: 'ssh', port, targetPort: port, protocol: 'TCP' }],
    },
  };
}
