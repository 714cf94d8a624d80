/** Pure: what of a spec pods are made with, which is therefore on the template of a workload, and so on its pods. */
import { podSettings } from './pod-settings.ts';
import type { SshAccessSpec } from './ssh-access.ts';

/** On the template: the spec.processNamespace that its pods were last rolled for. */
const ANNOTATION_PROCESS_NAMESPACE = 'sshaccess.dev/process-namespace';
/** On the template: the {@link podSettings} that its pods were last rolled for; never there for runtime sidecar. */
const ANNOTATION_POD_SETTINGS = 'sshaccess.dev/pod-settings';
const ANNOTATIONS = [ANNOTATION_PROCESS_NAMESPACE, ANNOTATION_POD_SETTINGS];

/** By annotation. In the template, a change of one rolls the pods. */
export type TemplateSettings = Readonly<Record<string, string>>;

/** What the template of this spec says. */
export function templateSettings(
  spec: Pick<SshAccessSpec, 'runtime' | 'mainContainer' | 'target' | 'processNamespace'>,
): TemplateSettings {
  const settings = podSettings(spec);
  return {
    ...(spec.processNamespace !== undefined && { [ANNOTATION_PROCESS_NAMESPACE]: spec.processNamespace }),
    ...(settings !== undefined && { [ANNOTATION_POD_SETTINGS]: settings }),
  };
}

/** Those that a template has, or a pod that was made of one. */
export const settingsAmong = (annotations: Readonly<Record<string, unknown>>): TemplateSettings =>
  Object.fromEntries(
    ANNOTATIONS.flatMap((name) => {
      const value = annotations[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
