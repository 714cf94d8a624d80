/** Pure: what of a spec pods are made with, and keep until they are made anew. Webhook and operator must agree on it. */
import { createHash } from 'node:crypto';
import type { SshdSetup } from './injection-record.ts';
import type { MainContainer, SshAccessSpec } from './ssh-access.ts';

/** Who answers ssh in a pod: our sidecar, or the image's sshd, by who sets it up. */
export type Server = 'sidecar' | SshdSetup;

type Settings = Pick<SshAccessSpec, 'runtime' | 'mainContainer' | 'target'>;

export function serverOf({ runtime, mainContainer }: Pick<SshAccessSpec, 'runtime' | 'mainContainer'>): Server {
  if (runtime === 'sidecar') return 'sidecar';
  if (mainContainer?.managed === false) return 'unmanaged';
  return mainContainer?.setup === 'Image' ? 'image' : 'init-script';
}

/**
 * A word for everything of the spec that is baked into a pod of runtime main_container: the webhook notes it in the
 * pod's record, the operator on the template. Where they differ, the pod must be made anew. What only routes need (user,
 * port, host keys) is not in it. Undefined: runtime sidecar, whose pods carry no such word.
 */
export function podSettings(spec: Settings): string | undefined {
  const server = serverOf(spec);
  if (server === 'sidecar') return undefined;
  const { bootstrap, authorizedKeysPath }: Partial<MainContainer> = spec.mainContainer ?? {};
  const baked = [spec.target.container, bootstrap?.script, bootstrap?.required, authorizedKeysPath];
  const digest = createHash('sha256').update(JSON.stringify(baked.map((value) => value ?? null)));
  return `${server}-${digest.digest('hex').slice(0, 16)}`;
}
