import { messageOf, SetupError } from '../../scripts/machine/errors.ts';
import { say } from '../../scripts/machine/progress.ts';
import type { Cluster, Provider } from './cluster.ts';
import { existing } from './existing.ts';
import { k3s } from './k3s.ts';
import { lock } from '../../scripts/machine/lock.ts';
import { native } from './native/provider.ts';

/** What is closest to the user's wish first: the cluster they name, the cheap one, the one that is built. */
const inOrder: readonly Provider[] = [existing, k3s, native];

export interface ProvideOptions {
  /** Start a new one even where one of that name runs well. */
  readonly fresh?: boolean;
  /** Called before a new one is started. */
  readonly onStart?: () => Promise<void>;
  readonly providers?: readonly Provider[];
}

/** The cluster of that name: the running one, or one from the first provider that can. */
export async function provideCluster(name: string, options: ProvideOptions = {}): Promise<Cluster> {
  const { fresh = false, onStart, providers = inOrder } = options;
  const unlock = await lock(`cluster-${name}-start`);
  try {
    const running = fresh ? undefined : await findCluster(name, providers);
    if (running !== undefined) return running;
    await onStart?.();
    return await startFirst(name, providers);
  } finally {
    await unlock();
  }
}

export async function findCluster(name: string, providers = inOrder): Promise<Cluster | undefined> {
  for (const provider of providers) {
    const cluster = await provider.find(name);
    if (cluster !== undefined) return cluster;
  }
  return undefined;
}

/** Removes what any provider has of that name. */
export async function removeCluster(name: string, providers = inOrder): Promise<string[]> {
  const unlock = await lock(`cluster-${name}-start`);
  try {
    const removed: string[] = [];
    for (const provider of providers) removed.push(...(await provider.remove(name)));
    return removed;
  } finally {
    await unlock();
  }
}

/** @throws SetupError NO_CLUSTER, which says of each provider why it cannot, and what to do. */
async function startFirst(name: string, providers: readonly Provider[]): Promise<Cluster> {
  const reasons: string[] = [];
  for (const provider of providers) {
    const reason = await provider.unavailable().catch(messageOf);
    if (reason !== undefined) {
      reasons.push(`  - ${provider.kind}: ${reason}.`);
      continue;
    }
    say(`cluster "${name}", provider ${provider.kind}`);
    try {
      return await provider.start(name);
    } catch (error) {
      // Whoever names a cluster wants that one, and none in its place.
      if (provider.kind === 'existing') throw error;
      say(`  ✗ ${messageOf(error)}`);
      reasons.push(`  - ${provider.kind}: it did not start: ${messageOf(error)}`);
    }
  }
  throw new SetupError(
    'NO_CLUSTER',
    ['No Kubernetes cluster can be had here. Do what one of these lines says:', ...reasons].join('\n'),
  );
}
