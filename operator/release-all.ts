/**
 * What `helm uninstall` runs before it removes the operator (`node operator/main.ts --release-all`): without an operator,
 * nobody takes our finalizer from an SshAccess, and its namespace could never be deleted.
 */
import * as z from 'zod';
import { FIELD_MANAGERS, FINALIZER, GROUP, LABEL_ROUTE } from '../crds/index.ts';
import { applyStatus, deleteIfExists, jsonPatch } from '../lib/kube/apply.ts';
import { pause } from '../lib/kube/backoff.ts';
import type { KubeClient } from '../lib/kube/client.ts';
import { EventRecorder } from '../lib/kube/event-recorder.ts';
import { isNotFound, KubeError } from '../lib/kube/errors.ts';
import { runWhenLeader } from '../lib/kube/leader-election.ts';
import { keyOf } from '../lib/kube/object-key.ts';
import { DEPLOYMENTS, LEASES, pathOf, PODS, SECRETS } from '../lib/kube/resources.ts';
import type { Logger } from '../lib/process/logger.ts';
import type { CachedAccess } from './cached-access.ts';
import type { Config } from './config.ts';
import { finishDeletion } from './deletion.ts';
import { finding } from './findings.ts';
import { SSH_ACCESSES } from './resources.ts';
import { failedStatus } from './status.ts';
import { storyteller } from './story.ts';
import { World } from './world.ts';

const WORKERS = 4;
/** Between two rounds: what failed is tried again, and the watch brings what others wrote meanwhile. */
const ROUND_MS = 500;
/** Longer than a pod may take that is told to end. */
const OPERATOR_PATIENCE_MS = 45_000;

type Releasing = { client: KubeClient; config: Config; log: Logger };

/**
 * Does for every SshAccess what its deletion would do, and leaves it there: route, label and finalizer go. Tries until
 * all is done or `signal` aborts: whoever runs it sets the deadline.
 */
export async function releaseAll(releasing: Releasing, signal: AbortSignal): Promise<void> {
  const { client, config, log } = releasing;
  const stopped = await stopOperators(releasing, signal);
  const lease = { namespace: config.systemNamespace, name: FIELD_MANAGERS.operator };
  // An operator that is still there, or comes back, does not lead: it would label everything again.
  await runWhenLeader(
    { client, lease, identity: config.identity, log },
    async (leading) => {
      await releaseAccesses(releasing, leading);
      await deleteRoutes(releasing, leading);
      if (stopped !== undefined) await awaitEndOf(stopped, releasing, leading);
    },
    signal,
  );
  signal.throwIfAborted();
  await deleteIfExists(client, LEASES, lease, signal);
  log.info('nothing of sshaccess is left at any workload');
}

const Selecting = z.object({
  spec: z.object({ selector: z.object({ matchLabels: z.record(z.string(), z.string()) }) }),
});

/** @returns what selects their pods; undefined: there are none */
async function stopOperators({ client, config, log }: Releasing, signal: AbortSignal): Promise<string | undefined> {
  if (config.deployment === undefined) return undefined;
  const path = pathOf(DEPLOYMENTS, { namespace: config.systemNamespace, name: config.deployment });
  const options = { fieldManager: FIELD_MANAGERS.operator, signal };
  try {
    const stopped = await jsonPatch(client, path, [{ op: 'add', path: '/spec/replicas', value: 0 }], options);
    log.info({ deployment: config.deployment }, 'operators are sent home');
    const { matchLabels } = Selecting.parse(stopped).spec.selector;
    return Object.entries(matchLabels)
      .map(([label, value]) => `${label}=${value}`)
      .join(',');
  } catch (error) {
    if (!isNotFound(error)) throw error;
    return undefined;
  }
}

/**
 * Of two operators the one that did not lead may still run when we are done, and would lead as soon as we do not: it would
 * label everything again. One that does not end (its node is lost) keeps nobody for ever.
 */
async function awaitEndOf(
  labelSelector: string,
  { client, config, log }: Releasing,
  signal: AbortSignal,
): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(OPERATOR_PATIENCE_MS)]);
  const path = pathOf(PODS, { namespace: config.systemNamespace });
  while (!limit.aborted) {
    const { items } = Named.parse(await client.request(path, { query: { labelSelector }, signal }));
    if (items.length === 0) return;
    await pause(ROUND_MS, limit);
  }
  log.warn('an operator has not ended; we go on without waiting for it');
}

async function releaseAccesses({ client, config, log }: Releasing, signal: AbortSignal): Promise<void> {
  const { systemNamespace, namespaces } = config;
  if (!(await isKindThere(client, namespaces?.[0], signal))) return;
  const stop = new AbortController();
  const following = AbortSignal.any([signal, stop.signal]);
  const world = new World({ client, systemNamespace, namespaces, log, touch: () => undefined });
  const events = new EventRecorder({ client, controller: `${GROUP}/operator`, instance: config.identity, log });
  try {
    await world.start(following);
    const done = new Set<string>();
    // With a list of namespaces none has a finalizer.
    const isOurs = (cached: CachedAccess) => namespaces !== undefined || isHeld(cached);
    const held = () => world.accesses.list().filter((cached) => isOurs(cached) && !done.has(cached.metadata.uid));
    for (let left = held(); left.length > 0 && !signal.aborted; left = held()) {
      const next = left.values();
      const work = async (): Promise<void> => {
        for (const cached of next) {
          if (signal.aborted) return;
          const tell = storyteller(events, cached.metadata, signal);
          const isDone = await release(cached, { client, world, systemNamespace, tell, log, signal });
          if (isDone) done.add(cached.metadata.uid);
        }
      };
      await Promise.all(Array.from({ length: WORKERS }, work));
      await pause(ROUND_MS, signal);
    }
    log.info({ released: done.size }, 'SshAccesses are released');
  } finally {
    stop.abort();
  }
}

const isHeld = ({ metadata }: CachedAccess): boolean => metadata.finalizers?.includes(FINALIZER) === true;

type One = Omit<Parameters<typeof finishDeletion>[1], 'now'> & { log: Logger };

/** @returns false: to be tried again */
async function release(cached: CachedAccess, { log, ...one }: One): Promise<boolean> {
  const now = new Date();
  const { namespace, name, uid, deletionTimestamp } = cached.metadata;
  try {
    await finishDeletion(cached, { ...one, now });
    if (deletionTimestamp !== undefined) return true;
    const { status: current } = cached;
    const manifest = { metadata: { namespace, name, uid }, status: failedStatus(cached, finding('Uninstalled'), now) };
    const options = { current, fieldManager: FIELD_MANAGERS.operator, signal: one.signal };
    await applyStatus(one.client, SSH_ACCESSES, manifest, options);
    return true;
  } catch (error) {
    if (one.signal.aborted) return false;
    const { isNotFound: isGone, isConflict } = KubeError.from(error);
    if (isGone) return true;
    log[isConflict ? 'debug' : 'warn']({ err: error, object: keyOf(cached.metadata) }, 'not released, trying again');
    return false;
  }
}

/** Where the definition was deleted first, the SshAccesses are gone. */
async function isKindThere(client: KubeClient, namespace: string | undefined, signal: AbortSignal): Promise<boolean> {
  try {
    await client.request(pathOf(SSH_ACCESSES, { namespace }), { query: { limit: 1 }, signal });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

const Named = z.object({ items: z.array(z.object({ metadata: z.object({ name: z.string() }) })) });

/** Routes whose SshAccess went without us. */
async function deleteRoutes({ client, config }: Releasing, signal: AbortSignal): Promise<void> {
  const namespace = config.systemNamespace;
  const query = { labelSelector: `${LABEL_ROUTE}=true` };
  const { items } = Named.parse(await client.request(pathOf(SECRETS, { namespace }), { query, signal }));
  for (const { metadata } of items) await deleteIfExists(client, SECRETS, { namespace, name: metadata.name }, signal);
}
