/** Pure: which pods are of an earlier spec. */
import { podSettings, serverOf, type SshAccessSpec } from '../crds/index.ts';
import type { AccessPod } from './access-pod.ts';
import { isIsolatedOtherwise } from './process-namespace.ts';
import { serverIn } from './serving.ts';

type Spec = Pick<SshAccessSpec, 'runtime' | 'mainContainer' | 'target' | 'processNamespace'>;

/** What has changed since this pod was made, so that it must be made anew; undefined: nothing. */
export function outdatedBy({ record, ...pod }: AccessPod, spec: Spec): string | undefined {
  if (record === undefined) return undefined;
  const [is, asked] = [serverIn(record), serverOf(spec)];
  if (record.runtime !== spec.runtime) return `spec.runtime is ${spec.runtime}`;
  if (asked === 'sidecar') {
    const { processNamespace } = spec;
    const isOther = isIsolatedOtherwise({ record, ...pod }, processNamespace);
    return isOther ? `spec.processNamespace is ${processNamespace ?? 'not set'}` : undefined;
  }
  const settings = record.mainContainer?.settings;
  const isOther = is !== asked || (settings !== undefined && settings !== podSettings(spec));
  return isOther ? 'what spec.target.container or spec.mainContainer says has changed' : undefined;
}
