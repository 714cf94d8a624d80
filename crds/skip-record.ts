/** What the webhook notes on a pod that it leaves without ssh on purpose, so that nobody makes it anew in the hope of more. */
import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import { SIDECAR_CONTAINER, SSH_PORT } from './names.ts';
import { SSH_INIT_PATH, SSH_RUNTIME_PATH, SSH_SECRET_PATH } from './main-container.ts';
import { podSettings } from './pod-settings.ts';
import type { SshAccessSpec } from './ssh-access.ts';

/** What holds of each pod that is made of the same template, while the spec says the same: with what is to be done. */
export const LASTING_SKIPS = {
  windows: 'Windows nodes have no Linux sshd',
  'host-network': 'the pod uses the network of its node, where its port for ssh would be open to everybody',
  'host-pid': "the pod sees its node's processes, among which the app's cannot be told from those of other tenants",
  'container-not-found': 'the pod has no container of the name in spec.target.container',
  'name-taken': `the pod has a container or volume of its own with a name of ours (${SIDECAR_CONTAINER}, or beginning so); rename it`,
  'port-taken': `a container of the pod declares the port that ssh needs (${SSH_PORT}, or spec.mainContainer.port); move it`,
  'mount-taken': `a mount of the container is where ssh needs its own (${SSH_INIT_PATH}, ${SSH_SECRET_PATH}, authorizedKeysPath), or is read-only and holds that or ${SSH_RUNTIME_PATH}; mount it elsewhere`,
  'organization-invalid':
    'usernames cannot begin with the organization (label of the namespace); correct it and recreate the pod',
} as const;
export type LastingSkip = keyof typeof LASTING_SKIPS;

export const isLastingSkip = (reason: string): reason is LastingSkip => Object.hasOwn(LASTING_SKIPS, reason);

const MOST_OF_A_WORD = 64;
/** Longer ones are somebody else's: whoever may make pods may write any annotation. */
export const MOST_SKIP_LENGTH = 512;

/**
 * The webhook's annotation on such a pod ({@link ANNOTATION_SKIPPED}). Who writes it on a pod of their own is left without ssh
 * there, which they could have without it.
 */
export const SkipRecord = z.object({
  version: z.literal(1),
  /** Of {@link LASTING_SKIPS}; a later version has others. */
  reason: z.string().check(z.maxLength(MOST_OF_A_WORD), z.regex(/^[a-z0-9-]+$/)),
  /** {@link skipSettings} of the spec that it was decided by: of another spec the pod may be taken. */
  settings: z.string().check(z.maxLength(MOST_OF_A_WORD)),
});
export type SkipRecord = z.infer<typeof SkipRecord>;

/** A word for everything of the spec that decides whether a pod is left alone. */
export function skipSettings(spec: Pick<SshAccessSpec, 'runtime' | 'mainContainer' | 'target'>): string {
  const decisive = [podSettings(spec) ?? null, spec.target.container ?? null, spec.mainContainer?.port ?? null];
  return createHash('sha256').update(JSON.stringify(decisive)).digest('hex').slice(0, 16);
}
