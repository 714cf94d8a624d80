/** Reads and writes the objects that an SshAccess owns. Never touches one of the same name that is somebody else's. */
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import {
  Ceiling,
  FIELD_MANAGERS,
  LABEL_ROUTE,
  POD_SECRET_KEYS,
  podSecretName,
  Route,
  ROUTE_SECRET_KEYS,
  routeSecretName,
  serviceName,
  SSHD_SECRET_KEYS,
} from '../crds/index.ts';
import { apply, create, getIfExists, jsonPatch } from '../lib/kube/apply.ts';
import type { KubeClient } from '../lib/kube/client.ts';
import { isControlledBy, OwnerReference } from '../lib/kube/owner-reference.ts';
import { pathOf, type Resource, SECRETS, SERVICES } from '../lib/kube/resources.ts';
import type { Metadata } from './cached-access.ts';
import {
  ANNOTATION_KEYS_SINCE,
  ANNOTATION_PREVIOUS_CEILING,
  ANNOTATION_SETTINGS_SINCE,
  ANNOTATION_USERNAMES,
  parseUsernames,
  type SecretManifest,
  type ServiceManifest,
} from './desired-objects.ts';
import { finding, type Finding } from './findings.ts';
import { PreviousCeiling } from './policies.ts';
import { SSH_ACCESSES } from './resources.ts';
import { parseJson, Secret, textOf } from './secret.ts';
import { sshdSettings } from './sshd-settings.ts';
import { SIGHTINGS_KEY, Sightings, type Sighting } from './sightings.ts';

const Service = z.object({
  metadata: z.object({
    uid: z.string(),
    resourceVersion: z.string(),
    labels: z.record(z.string(), z.string()).default({}),
    ownerReferences: z.array(OwnerReference).default([]),
  }),
  spec: z.object({
    clusterIP: z.string().optional(),
    publishNotReadyAddresses: z.boolean().optional(),
    selector: z.record(z.string(), z.string()).optional(),
    ports: z
      .array(
        z.object({
          name: z.string().optional(),
          port: z.int(),
          targetPort: z.union([z.int(), z.string()]).optional(),
          protocol: z.string().optional(),
        }),
      )
      .default([]),
  }),
});
type Service = z.infer<typeof Service>;

/** What is there of an SshAccess's objects. `foreign…`: an object of the name exists and is not ours. */
export type OwnObjects = {
  readonly podSecret: Secret | undefined;
  readonly isPodSecretForeign: boolean;
  readonly routeSecret: Secret | undefined;
  readonly isRouteSecretForeign: boolean;
  readonly service: Service | undefined;
  readonly isServiceForeign: boolean;
  /** Those of an SshAccess that had this name before, and that Kubernetes has not collected: nobody else's, either. */
  readonly left: { readonly podSecret: Secret | undefined; readonly service: Service | undefined };
};

/** Which of them cannot be made, because another stands there under its name. */
export function nameTaken(objects: OwnObjects, name: string, uid: string): Finding | undefined {
  if (objects.isRouteSecretForeign) return finding('NameTaken', 'Secret', `route-${uid} in the system namespace`);
  if (objects.isPodSecretForeign) return finding('NameTaken', 'Secret', `${name}-sshaccess`);
  if (objects.isServiceForeign) return finding('NameTaken', 'Service', `${name}-sshaccess`);
  return undefined;
}

export type Writer = { client: KubeClient; systemNamespace: string; signal: AbortSignal };

/** What a first run finds, where there is nothing yet: were there something after all, nothing could be created over it. */
export const NO_OBJECTS: OwnObjects = {
  podSecret: undefined,
  isPodSecretForeign: false,
  routeSecret: undefined,
  isRouteSecretForeign: false,
  service: undefined,
  isServiceForeign: false,
  left: { podSecret: undefined, service: undefined },
};

export async function readOwnObjects(metadata: Metadata, { client, systemNamespace, signal }: Writer) {
  const { namespace, name, uid } = metadata;
  const routeKey = { namespace: systemNamespace, name: routeSecretName(uid) };
  const [podSecret, routeSecret, found] = await Promise.all([
    readSecret(client, { namespace, name: podSecretName(name) }, signal),
    readSecret(client, routeKey, signal),
    getIfExists(client, SERVICES, { namespace, name: serviceName(name) }, signal),
  ]);
  const existing = found === undefined ? undefined : Service.parse(found);
  const isRoute = routeSecret?.metadata.labels[LABEL_ROUTE] === 'true';
  const [ofPods, ofService] = [whose(podSecret, metadata), whose(existing, metadata)];
  return {
    podSecret: ofPods === 'ours' ? podSecret : undefined,
    isPodSecretForeign: ofPods === 'foreign',
    routeSecret: isRoute ? routeSecret : undefined,
    isRouteSecretForeign: routeSecret !== undefined && !isRoute,
    service: ofService === 'ours' ? existing : undefined,
    isServiceForeign: ofService === 'foreign',
    left: {
      podSecret: ofPods === 'left' ? podSecret : undefined,
      service: ofService === 'left' ? existing : undefined,
    },
  } satisfies OwnObjects;
}

/** Of two SshAccesses of one name in one namespace the other is gone for certain, even if its uid still owns something. */
function whose(object: Secret | Service | undefined, { name, uid }: Metadata): 'ours' | 'left' | 'foreign' | 'nobody' {
  if (object === undefined) return 'nobody';
  const { ownerReferences } = object.metadata;
  if (isControlledBy(ownerReferences, uid)) return 'ours';
  const { apiVersion, kind } = SSH_ACCESSES;
  const isLeft = ownerReferences.some(
    (owner) =>
      owner.controller === true && owner.apiVersion === apiVersion && owner.kind === kind && owner.name === name,
  );
  return isLeft ? 'left' : 'foreign';
}

/**
 * Makes what another SshAccess of this name has left ours, before the garbage collector comes to it, or where it never
 * does: it may take an SshAccess that is deleted and made again for one that was changed. Only over the version that was
 * read.
 * @param whole what becomes exactly so, by its JSON pointer: nothing of before stays, a key of before least of all
 */
async function takeOver(
  resource: Resource,
  left: Secret | Service,
  { wanted, whole }: { wanted: SecretManifest | ServiceManifest; whole: Readonly<Record<string, unknown>> },
  { client, signal }: Writer,
): Promise<unknown> {
  const { uid, resourceVersion } = left.metadata;
  return await jsonPatch(
    client,
    pathOf(resource, wanted.metadata),
    [
      { op: 'test', path: '/metadata/uid', value: uid },
      { op: 'test', path: '/metadata/resourceVersion', value: resourceVersion },
      { op: 'add', path: '/metadata/ownerReferences', value: wanted.metadata['ownerReferences'] },
      ...Object.entries(whole).map(([path, value]) => ({ op: 'add', path, value })),
    ],
    { fieldManager: FIELD_MANAGERS.operator, signal },
  );
}

export async function readSecret(
  client: KubeClient,
  key: { namespace: string; name: string },
  signal: AbortSignal,
): Promise<Secret | undefined> {
  const found = await getIfExists(client, SECRETS, key, signal);
  return found === undefined ? undefined : Secret.parse(found);
}

/**
 * Writes only what differs, and only over the version that was read: of two operators that met in the change of
 * leadership, one gets AlreadyExists or Conflict and reads again, so that no two keys take turns.
 */
export async function writeSecret(
  stored: Secret | undefined,
  wanted: SecretManifest,
  writer: Writer,
  left?: Secret,
): Promise<void> {
  const options = { fieldManager: FIELD_MANAGERS.operator, signal: writer.signal };
  if (left !== undefined) {
    const whole = { '/data': wanted.data, '/metadata/annotations': wanted.metadata.annotations };
    await takeOver(SECRETS, left, { wanted, whole }, writer);
  } else if (stored === undefined) {
    await create(writer.client, SECRETS, wanted, options);
  } else if (!isSecretAsWanted(stored, wanted)) {
    await apply(writer.client, SECRETS, atVersion(wanted, stored.metadata), options);
  }
}

const PASSING_DATA = [POD_SECRET_KEYS.nextHostKey, ROUTE_SECRET_KEYS.nextMappingKey];
const PASSING_ANNOTATIONS = [ANNOTATION_PREVIOUS_CEILING];

function isSecretAsWanted(stored: Secret, wanted: SecretManifest): boolean {
  const has = (actual: Record<string, string>, expected: Record<string, string>) =>
    Object.entries(expected).every(([key, value]) => actual[key] === value);
  // What is there for a while only: that it is gone is wanted, too.
  const isGone = (actual: Record<string, string>, expected: Record<string, string>, passing: readonly string[]) =>
    passing.every((key) => expected[key] !== undefined || actual[key] === undefined);
  return (
    has(stored.data, wanted.data) &&
    has(stored.metadata.labels, wanted.metadata.labels) &&
    has(stored.metadata.annotations, wanted.metadata.annotations) &&
    isGone(stored.data, wanted.data, PASSING_DATA) &&
    isGone(stored.metadata.annotations, wanted.metadata.annotations, PASSING_ANNOTATIONS)
  );
}

export async function writeService(
  wanted: ServiceManifest,
  { service: stored, left }: { service: Service | undefined; left: { service?: Service | undefined } },
  writer: Writer,
): Promise<void> {
  if (left.service !== undefined) {
    const taken = Service.parse(await takeOver(SERVICES, left.service, { wanted, whole: {} }, writer));
    return await writeService(wanted, { service: taken, left: {} }, writer);
  }
  const options = { fieldManager: FIELD_MANAGERS.operator, signal: writer.signal };
  if (stored === undefined) {
    await create(writer.client, SERVICES, wanted, options);
    return;
  }
  const labels = { ...stored.metadata.labels, ...wanted.metadata.labels };
  const isAsWanted =
    isDeepStrictEqual(stored.spec, wanted['spec']) && isDeepStrictEqual(stored.metadata.labels, labels);
  if (!isAsWanted) await apply(writer.client, SERVICES, atVersion(wanted, stored.metadata), options);
}

/** The uid as well: with the version alone, an object that was deleted meanwhile would be made again. */
function atVersion<M extends { metadata: object }>(manifest: M, stored: { uid: string; resourceVersion: string }): M {
  const { uid, resourceVersion } = stored;
  return { ...manifest, metadata: { ...manifest.metadata, uid, resourceVersion } };
}

/** The route that the piper reads now; undefined: none, or none that parses. */
export const storedRoute = (secret: Secret | undefined): Route | undefined =>
  parseJson(Route, textOf(secret, ROUTE_SECRET_KEYS.route));

export const storedSightings = (secret: Secret | undefined): readonly Sighting[] =>
  parseJson(Sightings, textOf(secret, SIGHTINGS_KEY)) ?? [];

export const storedUsernames = (secret: Secret | undefined): readonly string[] =>
  parseUsernames(secret?.metadata.annotations[ANNOTATION_USERNAMES]);

export const storedCeiling = (secret: Secret | undefined): Ceiling | undefined =>
  parseJson(Ceiling, textOf(secret, POD_SECRET_KEYS.ceiling));

/** When the keys of the pods were made: now, where there are none. */
export const keysSince = (secret: Secret | undefined, now: Date): string | undefined =>
  secret === undefined ? now.toISOString() : secret.metadata.annotations[ANNOTATION_KEYS_SINCE];

/** When what sshd is told last changed, once `ceiling` is written. */
export function settingsSince(secret: Secret | undefined, ceiling: Ceiling, now: Date): string | undefined {
  const before = textOf(secret, SSHD_SECRET_KEYS.settings);
  const isChanged = before !== undefined && before !== sshdSettings(ceiling);
  return isChanged ? now.toISOString() : secret?.metadata.annotations[ANNOTATION_SETTINGS_SINCE];
}

export const storedPreviousCeiling = (secret: Secret | undefined): PreviousCeiling | undefined =>
  parseJson(PreviousCeiling, secret?.metadata.annotations[ANNOTATION_PREVIOUS_CEILING]);
