/** What is left to do when an SshAccess is deleted, or sshaccess uninstalled; owner references do the rest. */
import { FIELD_MANAGERS, FINALIZER, routeSecretName } from '../crds/index.ts';
import { deleteIfExists, jsonPatch } from '../lib/kube/apply.ts';
import type { KubeClient } from '../lib/kube/client.ts';
import { KubeError } from '../lib/kube/errors.ts';
import { removeFinalizer } from '../lib/kube/finalizers.ts';
import { keyOf } from '../lib/kube/object-key.ts';
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
  if (patch === undefined) return;
  const route = { namespace: systemNamespace, name: routeSecretName(metadata.uid) };
  if (await deleteIfExists(client, SECRETS, route, signal)) await tell(finding('RouteDeleted'));

  const workloads = world.labelledWorkloads(keyOf(metadata)).filter(({ isOurs, isDeleting }) => isOurs && !isDeleting);
  // The workloads of a namespace that is being deleted go with it.
  if (!world.isTerminating(metadata.namespace)) {
    for (const workload of workloads) await release(workload, metadata.deletionTimestamp, deletion);
  }
  try {
    const options = { fieldManager: FIELD_MANAGERS.operator, signal };
    await jsonPatch(client, pathOf(SSH_ACCESSES, metadata), patch, options);
  } catch (error) {
    if (!(error instanceof KubeError && error.isNotFound)) throw error;
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
