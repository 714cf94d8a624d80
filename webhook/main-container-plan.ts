/** Pure: what the sshd of the app's own image is to be told (crds/main-container.ts). */
import { LABEL_ORGANIZATION, podSettings, serverOf, SSH_PORT, usernamesOf } from '../crds/index.ts';
import type { Access } from './injection-plan.ts';

/** Where the image's sshd listens that knows nothing of us. */
const USUAL_PORT = 22;

type Managed = {
  setup: 'init-script' | 'image';
  port: number;
  /** The primary user's first. */
  usernames: readonly string[];
  auditLogging: boolean;
  bootstrap: { script: string; required: boolean } | undefined;
};
type Unmanaged = { setup: 'unmanaged'; port: number; usernames: readonly []; authorizedKeysPath: string };

/** `settings`: as in the InjectionRecord. */
export type MainContainerPlan = (Managed | Unmanaged) & { settings: string | undefined };

/** Undefined: the runtime is the sidecar. */
export function mainContainerPlan(
  access: Access,
  namespaceLabels: Readonly<Record<string, string>>,
): MainContainerPlan | undefined {
  const { spec } = access;
  const setup = serverOf(spec);
  if (setup === 'sidecar') return undefined;
  const settings = podSettings(spec);
  // That it is there is the schema's rule for managed: false.
  const { port = USUAL_PORT, authorizedKeysPath = '', bootstrap } = spec.mainContainer ?? {};
  if (setup === 'unmanaged') return { setup, settings, port, usernames: [], authorizedKeysPath };
  const usernames = usernamesOf(access, namespaceLabels[LABEL_ORGANIZATION]);
  return { setup, settings, port: SSH_PORT, usernames, auditLogging: spec.audit.logging, bootstrap };
}
