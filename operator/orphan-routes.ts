import { setInterval } from 'node:timers/promises';
import { deleteIfExists } from '../lib/kube/apply.ts';
import type { KubeClient } from '../lib/kube/client.ts';
import { SECRETS } from '../lib/kube/resources.ts';
import type { Logger } from '../lib/process/logger.ts';
import type { World } from './world.ts';

const SWEEP_MS = 60_000;

type Sweep = { client: KubeClient; world: World; systemNamespace: string; log: Logger };

/**
 * Deletes routes whose SshAccess is gone although its finalizer did not run (removed by hand, or a restored etcd): no
 * owner reference reaches over namespaces, and a route that stays lets people in.
 */
export async function sweepOrphanRoutes(sweep: Sweep): Promise<void> {
  const { client, world, systemNamespace, log } = sweep;
  for (const name of world.orphanRoutes()) {
    try {
      const isDeleted = await deleteIfExists(client, SECRETS, { namespace: systemNamespace, name });
      if (isDeleted) log.warn({ secret: name }, 'deleted a route whose SshAccess is gone');
    } catch (error) {
      log.error({ err: error, secret: name }, 'a route whose SshAccess is gone cannot be deleted');
    }
  }
}

/** Sweeps now and every minute until `signal` aborts. */
export async function keepSweeping(sweep: Sweep, signal: AbortSignal): Promise<void> {
  await sweepOrphanRoutes(sweep);
  try {
    for await (const _ of setInterval(SWEEP_MS, undefined, { signal })) await sweepOrphanRoutes(sweep);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
