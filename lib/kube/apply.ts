import { isDeepStrictEqual } from 'node:util';
import type { KubeClient } from './client.ts';
import { isNotFound, KubeError } from './errors.ts';
import { pathOf, type Resource } from './resources.ts';

/** What we want of an object: the fields that we own, and only those. */
export type Manifest = {
  metadata: { namespace?: string | undefined; name: string; uid?: string; resourceVersion?: string } & Record<
    string,
    unknown
  >;
} & Record<string, unknown>;

export type ApplyOptions = { fieldManager: string; signal?: AbortSignal | undefined };

const where = (manifest: Manifest) => ({ namespace: manifest.metadata.namespace, name: manifest.metadata.name });

/**
 * Server-side apply with force: the fields of `manifest` become ours, those that we owned and no longer name go, all
 * others are untouched. With `metadata.resourceVersion` it is refused (Conflict) where the object changed since; only
 * with `metadata.uid` where it is gone: the version alone creates it anew (seen on 1.35).
 */
export async function apply(
  client: KubeClient,
  resource: Resource,
  manifest: Manifest,
  { fieldManager, signal }: ApplyOptions,
): Promise<unknown> {
  return await client.request(pathOf(resource, where(manifest)), {
    method: 'PATCH',
    contentType: 'application/apply-patch+yaml',
    query: { fieldManager, force: true },
    body: { apiVersion: resource.apiVersion, kind: resource.kind, ...manifest },
    signal,
  });
}

/** Creates, and nothing else. @throws KubeError AlreadyExists: another was faster, read what it made */
export async function create(
  client: KubeClient,
  resource: Resource,
  manifest: Manifest,
  { fieldManager, signal }: ApplyOptions,
): Promise<unknown> {
  return await client.request(pathOf(resource, { namespace: manifest.metadata.namespace }), {
    method: 'POST',
    query: { fieldManager },
    body: { apiVersion: resource.apiVersion, kind: resource.kind, ...manifest },
    signal,
  });
}

/**
 * Server-side apply of the status subresource, only where `manifest.status` differs from `current`.
 * @returns whether it was written
 */
export async function applyStatus(
  client: KubeClient,
  resource: Resource,
  manifest: Manifest & { status: unknown },
  { current, fieldManager, signal }: ApplyOptions & { current: unknown },
): Promise<boolean> {
  // Through JSON, so that a key whose value is undefined equals one that is not there.
  const wanted: unknown = JSON.parse(JSON.stringify(manifest.status));
  if (isDeepStrictEqual(wanted, current)) return false;
  await client.request(`${pathOf(resource, where(manifest))}/status`, {
    method: 'PATCH',
    contentType: 'application/apply-patch+yaml',
    query: { fieldManager, force: true },
    body: { apiVersion: resource.apiVersion, kind: resource.kind, ...manifest },
    signal,
  });
  return true;
}

/** All that the API server says of a patch whose `test` does not hold. What makes an object invalid it explains. */
const TEST_FAILED = 'the server rejected our request due to an error in our request';

/**
 * A JSON patch (RFC 6902): for lists that others write to as well, such as finalizers.
 * @throws KubeError Conflict where a `test` of it does not hold
 */
export async function jsonPatch(
  client: KubeClient,
  path: string,
  operations: readonly Record<string, unknown>[],
  { fieldManager, signal }: ApplyOptions,
): Promise<unknown> {
  try {
    return await client.request(path, {
      method: 'PATCH',
      contentType: 'application/json-patch+json',
      query: { fieldManager },
      body: operations,
      signal,
    });
  } catch (cause) {
    if (!(cause instanceof KubeError && cause.status === 422 && cause.message === TEST_FAILED)) throw cause;
    throw new KubeError('Conflict', 'the object has changed since it was read', { status: 409, cause });
  }
}

/** @returns the object, or undefined where there is none */
export async function getIfExists(
  client: KubeClient,
  resource: Resource,
  key: { namespace?: string; name: string },
  signal?: AbortSignal,
): Promise<unknown> {
  try {
    return await client.request(pathOf(resource, key), { signal });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** @returns whether there was something to delete */
export async function deleteIfExists(
  client: KubeClient,
  resource: Resource,
  key: { namespace?: string; name: string },
  signal?: AbortSignal,
): Promise<boolean> {
  try {
    await client.request(pathOf(resource, key), { method: 'DELETE', signal });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
