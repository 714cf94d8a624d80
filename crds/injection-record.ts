import * as z from 'zod';

/**
 * How sessions enter the app: `chroot` is the real thing (its root, environment, cwd); `toolbox` runs in the sidecar's
 * own image, where the pod's level or its process namespace allows no more.
 */
export const SESSION_ENTRIES = ['chroot', 'toolbox'] as const;
export const SessionEntry = z.enum(SESSION_ENTRIES);
export type SessionEntry = z.infer<typeof SessionEntry>;

/** The webhook's annotation on an injected pod ({@link ANNOTATION_INJECTED}), read back by the operator for status. */
export const InjectionRecord = z.strictObject({
  version: z.literal(1),
  /** The SshAccess that selected the pod. */
  access: z.string(),
  container: z.string(),
  sessionEntry: SessionEntry,
  /** The uid that role `root` gets: 0 where the app's security context allows it, else the app's own; null: the image's. */
  rootUid: z.int().min(0).nullable(),
});
export type InjectionRecord = z.infer<typeof InjectionRecord>;

/** The sidecar's configuration, set by the webhook as environment variables of its container. */
export const SIDECAR_ENV = {
  container: 'SSHACCESS_TARGET_CONTAINER',
  sessionEntry: 'SSHACCESS_SESSION_ENTRY',
  /** Empty: uid 0 is not allowed, use the app's own. */
  rootUid: 'SSHACCESS_ROOT_UID',
  podName: 'SSHACCESS_POD_NAME',
  namespace: 'SSHACCESS_NAMESPACE',
} as const;
