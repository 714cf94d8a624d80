/** The workload's template: labelled, released, and rolled again where pods were started without ssh. */
import * as z from 'zod';
import { FIELD_MANAGERS } from '../crds/index.ts';
import { apply } from '../lib/kube/apply.ts';
import type { KubeClient } from '../lib/kube/client.ts';
import { KubeError } from '../lib/kube/errors.ts';
import { ENDPOINT_SLICES, pathOf } from '../lib/kube/resources.ts';
import { finding, type Finding } from './findings.ts';
import { WORKLOADS } from './resources.ts';
import { labelManifest, releaseManifest, type Labeller } from './template-label.ts';
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
  { now, signal }: { now: Date; signal: AbortSignal },
): Promise<Finding> {
  const { metadata, ...rest } = labelManifest(workload, access, now.toISOString());
  const manifest = { metadata: { ...metadata, resourceVersion: workload.resourceVersion }, ...rest };
  await apply(client, WORKLOADS[workload.kind], manifest, options(signal));
  return finding('PodsRolled', describeWorkload(workload));
}

const Slices = z.object({
  items: z.array(
    z.object({
      endpoints: z.array(z.object({ conditions: z.object({ ready: z.boolean().optional() }).optional() })).nullish(),
    }),
  ),
});

/** True where the Service has a ready endpoint: pods that are made now will be injected. */
export async function isServiceReady(
  client: KubeClient,
  service: { namespace: string; name: string },
  signal: AbortSignal,
): Promise<boolean> {
  const answer = await client.request(pathOf(ENDPOINT_SLICES, { namespace: service.namespace }), {
    query: { labelSelector: `kubernetes.io/service-name=${service.name}` },
    signal,
  });
  // EndpointConditions: ready that is not given counts as true.
  return Slices.parse(answer).items.some(
    ({ endpoints }) => endpoints?.some(({ conditions }) => conditions?.ready !== false) ?? false,
  );
}
