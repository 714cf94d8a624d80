/** Pure: what of a spec pods are made with, which is therefore on the template, and which pods are of an earlier spec. */
import { podSettings, serverOf, type SshAccessSpec } from '../crds/index.ts';
import type { AccessPod } from './access-pod.ts';
import { isIsolatedOtherwise } from './process-namespace.ts';
import { serverIn } from './serving.ts';

/** On the template: the spec.processNamespace that its pods were last rolled for. */
const ANNOTATION_PROCESS_NAMESPACE = 'sshaccess.dev/process-namespace';
/** On the template: the {@link podSettings} that its pods were last rolled for; never there for runtime sidecar. */
const ANNOTATION_POD_SETTINGS = 'sshaccess.dev/pod-settings';
const ANNOTATIONS = [ANNOTATION_PROCESS_NAMESPACE, ANNOTATION_POD_SETTINGS];

type Spec = Pick<SshAccessSpec, 'runtime' | 'mainContainer' | 'target' | 'processNamespace'>;
/** By annotation. In the template, a change of one rolls the pods. */
export type TemplateSettings = Readonly<Record<string, string>>;

/** What the template of this spec says. */
export function templateSettings(spec: Spec): TemplateSettings {
  const settings = podSettings(spec);
  return {
    ...(spec.processNamespace !== undefined && { [ANNOTATION_PROCESS_NAMESPACE]: spec.processNamespace }),
    ...(settings !== undefined && { [ANNOTATION_POD_SETTINGS]: settings }),
  };
}

/** Those that a template has. */
export const settingsAmong = (annotations: Readonly<Record<string, string>>): TemplateSettings =>
  Object.fromEntries(Object.entries(annotations).filter(([name]) => ANNOTATIONS.includes(name)));

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
