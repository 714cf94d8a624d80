/** Writes what the operator owns of one SshAccess: route, pod Secret, Service. */
import { parseKicks, type RouteUser, type SshAccess } from '../crds/index.ts';
import { KubeError } from '../lib/kube/errors.ts';
import { podSecret, route, routeSecret, service } from './desired-objects.ts';
import type { Finding } from './findings.ts';
import { keyMaterial, type KeyMaterial } from './key-material.ts';
import { acceptedLines } from './key-rotation.ts';
import {
  keysSince,
  nameTaken,
  readOwnObjects,
  settingsSince,
  storedCeiling,
  storedPreviousCeiling,
  storedRoute,
  storedSightings,
  storedUsernames,
  writeSecret,
  writeService,
  type OwnObjects,
} from './own-objects.ts';
import { ceilingOf, heldPolicy, previousCeiling } from './policies.ts';
import { hostKeysOf, upstreamUserOf, type Serving } from './serving.ts';
import type { Sighting } from './sightings.ts';
import { routeStory } from './story.ts';
import type { Run } from './run.ts';

/** 413 Content Too Large, and 422 as the API server says of an object that is not valid. */
const UNPROCESSABLE: ReadonlySet<number> = new Set([413, 422]);

/** What the objects of an SshAccess are made of. */
type Wanted = {
  routed: readonly RouteUser[];
  owned: readonly string[];
  serving: Serving;
  sightings: readonly Sighting[];
  keys: KeyMaterial;
  awaitsRollout: boolean;
};

/**
 * Route first: who may no longer log in is out at once, whatever else fails.
 * @returns why the SshAccess cannot be served, if it cannot
 */
export async function writeObjects(
  run: Run,
  access: SshAccess,
  objects: OwnObjects,
  { routed, owned, serving, sightings, keys, awaitsRollout }: Wanted,
): Promise<Finding | undefined> {
  const { metadata } = run.cached;
  const stored = storedRoute(objects.routeSecret);
  const taken = nameTaken(objects, metadata.name, metadata.uid);
  // Without a host key of ours there is nothing to route to; a route that exists is still kept from growing old.
  const isPinned = !objects.isPodSecretForeign || stored !== undefined;
  if (objects.isRouteSecretForeign || !isPinned) return taken;

  const ceiling = ceilingOf(access.spec);
  const kept = storedPreviousCeiling(objects.podSecret);
  const previous = previousCeiling(storedCeiling(objects.podSecret), ceiling, kept, {
    now: run.now,
    secretDelayMs: run.options.config.secretDelayMs,
  });
  if (previous !== undefined) run.requeueAt(previous.until);

  const learned = sightings.map(({ hostKey }) => hostKey);
  const known = { own: acceptedLines(keys.hostKey), learned };
  const hostKeys = objects.isPodSecretForeign && stored ? stored.hostKeys : hostKeysOf(serving, access.spec, known);
  const users = routed.map((user) => ({
    ...user,
    upstreamUser: upstreamUserOf(serving, user.username),
    policy: heldPolicy(user.role, user.policy, previous),
  }));
  const { runtime, port } = serving;
  const { enabled, banner } = access.spec;
  const kicks = parseKicks(run.cached.kicks, run.now).filter(({ username }) => owned.includes(username));
  const wanted = route(metadata, { enabled, runtime, port, hostKeys, awaitsRollout, banner, users, kicks });
  const { systemNamespace } = run.writer;
  const content = { route: wanted, mappingKey: keys.mappingKey, usernames: owned, sightings };
  const secret = routeSecret(systemNamespace, content);
  await writeRoute(run, objects.routeSecret, secret);
  for (const found of routeStory(stored, wanted)) await run.tell(found);
  if (!objects.isPodSecretForeign) {
    const isNeeded = access.spec.runtime === 'main_container' || runtime === 'main_container';
    const initScript = isNeeded ? run.options.initScript : undefined;
    const since = settingsSince(objects.podSecret, ceiling, run.now);
    await writeSecret(
      objects.podSecret,
      podSecret(metadata, {
        ...keys,
        ceiling,
        previous,
        initScript,
        settingsSince: since,
        keysSince: keysSince(objects.podSecret, run.now),
      }),
      run.writer,
      objects.left.podSecret,
    );
    for (const found of keys.findings) await run.tell(found);
  }
  if (!objects.isServiceForeign) await writeService(service(metadata, port), objects, run.writer);
  return taken;
}

/** A route that the API server will never take, as one that is too large, may be the one that revokes somebody, too. */
async function writeRoute(
  run: Run,
  stored: OwnObjects['routeSecret'],
  wanted: ReturnType<typeof routeSecret>,
): Promise<void> {
  try {
    await writeSecret(stored, wanted, run.writer);
  } catch (error) {
    if (error instanceof KubeError && UNPROCESSABLE.has(error.status)) await closeRoute(run);
    throw error;
  }
}

/** A spec that we do not understand may be the one that revokes somebody: until we do, nobody is in. */
export async function closeRoute(run: Run): Promise<void> {
  const objects = await readOwnObjects(run.cached.metadata, run.writer);
  const stored = storedRoute(objects.routeSecret);
  if (stored === undefined || stored.users.length === 0) return;
  const { mappingKey } = keyMaterial(objects.podSecret, objects.routeSecret);
  const closed = { ...stored, users: [] };
  const kept = {
    usernames: storedUsernames(objects.routeSecret),
    sightings: storedSightings(objects.routeSecret),
  };
  const secret = routeSecret(run.writer.systemNamespace, { route: closed, mappingKey, ...kept });
  await writeSecret(objects.routeSecret, secret, run.writer);
  for (const found of routeStory(stored, closed)) await run.tell(found);
}
