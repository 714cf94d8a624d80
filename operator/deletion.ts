/** What is left to do when an SshAccess is deleted, or sshaccess uninstalled; owner references do the rest. */
import { FIELD_MANAGERS, FINALIZER, routeSecretName } from '../crds/index.ts';
import { deleteIfExists, jsonPatch } from '../lib/kube/apply.ts';
import type { KubeClient } from '../lib/kube/client.ts';
import { KubeError } from '../lib/kube/errors.ts';
import { addFinalizer, removeFinalizer } from '../lib/kube/finalizers.ts';
import type { WatchedNamespaces } from '../lib/kube/namespaces.ts';
import { keyOf, type ObjectKey } from '../lib/kube/object-key.ts';
import { pathOf, SECRETS } from '../lib/kube/resources.ts';
import type { CachedAccess } from './cached-access.ts';
import { finding } from './findings.ts';
import { SSH_ACCESSES } from './resources.ts';
import type { Tell } from './story.ts';
import { releaseTemplate } from './target.ts';
import { describeWorkload, type Workload } from './workload.ts';
import type { World } from './world.ts';

/** So long a template that cannot be released is tried again; then the deletion goes on without. */
const RELEASE_PATIENCE_MS = 60_000;

type Deletion = {
  client: KubeClient;
  world: World;
  systemNamespace: string;
  tell: Tell;
  now: Date;
  signal: AbortSignal;
};

/** The route first: sessions end at once. Then the label, then the finalizer. Each step may have been done before. */
export async function finishDeletion(cached: CachedAccess, deletion: Deletion): Promise<void> {
  const { client, world, systemNamespace, tell, signal } = deletion;
  const { metadata } = cached;
  const patch = removeFinalizer(metadata, FINALIZER);
  const route = { namespace: systemNamespace, name: routeSecretName(metadata.uid) };
  const mayBeRouted = patch !== undefined || world.hasRoute(route.name);
  if (mayBeRouted && (await deleteIfExists(client, SECRETS, route, signal))) await tell(finding('RouteDeleted'));

  const workloads = world.labelledWorkloads(keyOf(metadata)).filter(({ isOurs, isDeleting }) => isOurs && !isDeleting);
  // The workloads of a namespace that is being deleted go with it.
  if (!world.isTerminating(metadata.namespace)) {
    for (const workload of workloads) await release(workload, metadata.deletionTimestamp, deletion);
  }
  if (patch === undefined) return;
  try {
    const options = { fieldManager: FIELD_MANAGERS.operator, signal };
    await jsonPatch(client, pathOf(SSH_ACCESSES, metadata), patch, options);
  } catch (error) {
    if (!(error instanceof KubeError && error.isNotFound)) throw error;
  }
}

/**
 * The finalizer of an SshAccess that we serve, before its first route: else one could outlive it while we are away. With
 * watchNamespaces there is none: our right to take it away lies in its namespace, and may go with that before the SshAccess
 * does, which would then hang for ever. What is left of it there, {@link clearAway} finds.
 */
export const finalizerPatch = (
  metadata: CachedAccess['metadata'],
  namespaces: WatchedNamespaces,
): ReturnType<typeof addFinalizer> =>
  namespaces === undefined ? addFinalizer(metadata, FINALIZER) : removeFinalizer(metadata, FINALIZER);

type Clearing = Pick<Deletion, 'client' | 'world' | 'systemNamespace' | 'signal'>;

/** Routes of one that had this name and is gone; where there is none of this name any more, the label, too. */
export async function clearAway(key: ObjectKey, { client, world, systemNamespace, signal }: Clearing): Promise<void> {
  const { namespace } = key;
  for (const name of world.orphanRoutesOf(keyOf(key)))
    await deleteIfExists(client, SECRETS, { namespace: systemNamespace, name }, signal);
  const isThere = world.accesses.get(namespace, key.name) !== undefined;
  if (isThere || world.isTerminating(namespace) || !world.isWholeKnown(namespace)) return;
  const labelled = world.labelledWorkloads(keyOf(key)).filter(({ isOurs, isDeleting }) => isOurs && !isDeleting);
  for (const workload of labelled) {
    try {
      await releaseTemplate(client, workload, signal);
    } catch (error) {
      // Somebody keeps us from it, and there is no SshAccess any more whose status could say so.
      if (!KubeError.from(error).isRefused) throw error;
    }
  }
}

/** A workload that refuses (a policy, a broken webhook of others) must not keep the SshAccess from going. */
async function release(workload: Workload, deletedAt: string | undefined, deletion: Deletion): Promise<void> {
  const { client, tell, now, signal } = deletion;
  try {
    await tell(await releaseTemplate(client, workload, signal));
  } catch (error) {
    const { isRefused, isUnreachable, code } = KubeError.from(error);
    const isLate = deletedAt !== undefined && now.getTime() - Date.parse(deletedAt) > RELEASE_PATIENCE_MS;
    if (signal.aborted || isUnreachable || !(isRefused || isLate)) throw error;
    await tell(finding('ReleaseFailed', describeWorkload(workload), code));
  }
}
