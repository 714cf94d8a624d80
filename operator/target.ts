/** The workload's template: labelled, released, and rolled again where pods were started without ssh. */
import { FIELD_MANAGERS } from '../crds/index.ts';
import { apply } from '../lib/kube/apply.ts';
import type { KubeClient } from '../lib/kube/client.ts';
import { KubeError } from '../lib/kube/errors.ts';
import { finding, type Finding } from './findings.ts';
import { WORKLOADS } from './resources.ts';
import { labelManifest, releaseManifest, type Labeller, type Roll } from './template-label.ts';
import { describeWorkload, type Rollout, type Workload } from './workload.ts';

const options = (signal: AbortSignal) => ({ fieldManager: FIELD_MANAGERS.operator, signal });

/** What a change of the template does. */
const EFFECTS: Readonly<Record<Rollout, string>> = {
  rolling: 'its pods are rolled once',
  paused: 'its pods are rolled once when it is resumed',
  'on-delete': 'it takes effect in pods that are made from now on',
  none: 'it takes effect in its next Jobs',
};
const effect = ({ rollout }: Workload): string => EFFECTS[rollout];

export async function labelTemplate(
  client: KubeClient,
  workload: Workload,
  access: Labeller,
  signal: AbortSignal,
): Promise<Finding> {
  await apply(client, WORKLOADS[workload.kind], labelManifest(workload, access), options(signal));
  return finding('TemplateLabelled', describeWorkload(workload), effect(workload));
}

/** Takes everything of ours from the template; a workload that is gone needs nothing. */
export async function releaseTemplate(client: KubeClient, workload: Workload, signal: AbortSignal): Promise<Finding> {
  try {
    await apply(client, WORKLOADS[workload.kind], releaseManifest(workload), options(signal));
  } catch (error) {
    // NotFound, or Conflict because another stands there under the name: what we labelled is gone.
    if (!(error instanceof KubeError && (error.isNotFound || error.isConflict))) throw error;
  }
  return finding('TemplateReleased', describeWorkload(workload), effect(workload));
}

/** Names the version that was decided upon, so that a decision from an old cache does not roll twice. */
export async function rollTemplate(
  client: KubeClient,
  workload: Workload,
  access: Labeller,
  { signal, ...roll }: Roll & { signal: AbortSignal },
): Promise<Finding> {
  const { metadata, ...rest } = labelManifest(workload, access, roll);
  const manifest = { metadata: { ...metadata, resourceVersion: workload.resourceVersion }, ...rest };
  await apply(client, WORKLOADS[workload.kind], manifest, options(signal));
  return finding('PodsRolled', describeWorkload(workload));
}
