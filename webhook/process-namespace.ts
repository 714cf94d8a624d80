import type { ProcessNamespace, ProcessNamespaceReason, SshAccess } from '../crds/index.ts';
import { injectedBefore } from './injected-before.ts';
import { insistsOnPid1 } from './insists-on-pid-1.ts';
import type { Pod } from './pod.ts';

export type ProcessNamespaceDecision = { is: ProcessNamespace; because: ProcessNamespaceReason };

/**
 * Whether the pod's containers share one process namespace, by which sessions get into the app.
 *
 * | shareProcessNamespace of the pod | spec.processNamespace | the pod           | decision                    |
 * | -------------------------------- | --------------------- | ----------------- | --------------------------- |
 * | set, and not by us               | any                   | any               | as it says: pod-spec        |
 * | not set                          | Shared, Isolated      | any               | as it says: ssh-access      |
 * | not set                          | not set               | insists on PID 1  | isolated: insists-on-pid-1  |
 * | not set                          | not set               | any other         | shared: default             |
 */
export function decideProcessNamespace(
  pod: Pod,
  asked: SshAccess['spec']['processNamespace'],
): ProcessNamespaceDecision {
  if (explicit(pod) !== undefined) return ofThePod(pod);
  if (asked !== undefined) return { is: asked === 'Shared' ? 'shared' : 'isolated', because: 'ssh-access' };
  return insistsOnPid1(pod) ? { is: 'isolated', because: 'insists-on-pid-1' } : { is: 'shared', because: 'default' };
}

/** As the pod's own spec says, and nobody else. */
export function ofThePod(pod: Pod): ProcessNamespaceDecision {
  const share = explicit(pod);
  return { is: share === true ? 'shared' : 'isolated', because: share === undefined ? 'default' : 'pod-spec' };
}

/** What the pod's own spec says. The true that an earlier round of ours set is no wish of the pod; we never set false. */
function explicit({ metadata, spec }: Pod): boolean | undefined {
  const { processNamespaceReason = 'pod-spec' } = injectedBefore({ metadata, spec }) ?? {};
  const isOurs = spec.shareProcessNamespace === true && processNamespaceReason !== 'pod-spec';
  return isOurs ? undefined : spec.shareProcessNamespace;
}

/** The pod's spec as decided. An isolated process namespace is the default of Kubernetes, and needs no word of ours. */
export function withProcessNamespace({ spec }: Pod, { is, because }: ProcessNamespaceDecision): Pod['spec'] {
  if (because === 'pod-spec') return spec;
  const { shareProcessNamespace: _ours, ...others } = spec;
  return is === 'shared' ? { ...others, shareProcessNamespace: true } : others;
}
