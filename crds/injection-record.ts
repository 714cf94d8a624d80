import * as z from 'zod/mini';
import { catch as otherwise } from 'zod/mini';

/** Who serves ssh in the pod: our sshd beside the app, or the openssh-server of the app's own image. */
export const RUNTIMES = ['sidecar', 'main_container'] as const;
export const Runtime = z.enum(RUNTIMES);
export type Runtime = z.infer<typeof Runtime>;

/**
 * How sessions enter the app: `chroot` is the real thing (its root, environment, cwd); `toolbox` runs in the sidecar's
 * own image, where the pod's level or its process namespace allows no more; `sshd` is the image's own openssh-server.
 */
export const SIDECAR_ENTRIES = ['chroot', 'toolbox'] as const;
export type SidecarEntry = (typeof SIDECAR_ENTRIES)[number];
export const SESSION_ENTRIES = [...SIDECAR_ENTRIES, 'sshd'] as const;

/** Ids of sessions that are neither root nor the app. Images do have users of the second: for whom that is no harm. */
export const UNPRIVILEGED_IDS = { limited: 61_000, toolbox: 65_532 } as const;

/** Each limited user of an SshAccess has a uid of their own, `limitedUid` + an offset: 61001 to 61999 unless taken. */
export const LIMITED_UIDS = 1000;
export const UidOffset = z.int().check(z.minimum(0), z.maximum(LIMITED_UIDS - 1));

/**
 * Who sets sshd up in a main_container: our init script, the image by the contract's environment, or the image alone
 * (`unmanaged`: it knows nothing of us).
 */
export const SSHD_SETUPS = ['init-script', 'image', 'unmanaged'] as const;
export type SshdSetup = (typeof SSHD_SETUPS)[number];

export const PROCESS_NAMESPACES = ['shared', 'isolated'] as const;
export type ProcessNamespace = (typeof PROCESS_NAMESPACES)[number];

/** Who decided on the process namespace: the pod's own spec, the SshAccess, what the pod runs, or nobody. */
export const PROCESS_NAMESPACE_REASONS = ['pod-spec', 'ssh-access', 'insists-on-pid-1', 'default'] as const;
export type ProcessNamespaceReason = (typeof PROCESS_NAMESPACE_REASONS)[number];

/** Ours has at most five usernames of 191 characters, and less than that beside them; others can write any annotation. */
export const MOST_RECORD_LENGTH = 16_384;
const MOST_USERNAMES = 16;

/**
 * The webhook's annotation on an injected pod ({@link ANNOTATION_INJECTED}), read back by the operator for status: what
 * the sidecar of that pod was told. Fields of a later version are ignored, or an upgrade would roll every pod.
 */
export const InjectionRecord = z.object({
  version: z.literal(1),
  /** The SshAccess that selected the pod. */
  access: z.string(),
  container: z.string(),
  sessionEntry: z.enum(SESSION_ENTRIES),
  /** The uid that role `root` gets: 0 where the app's security context allows it, else the app's own; null: the image's. */
  rootUid: z.nullable(z.int().check(z.minimum(0))),
  /**
   * The first of the {@link LIMITED_UIDS} that role `limited` gets: nobody in the pod's spec has one of them. (The sidecar
   * takes the next thousand where the app has one by its image.) null: the pod allows no uid but one, and `limited` is refused.
   * Of a main_container it is `rootUid`, even where that is 0: sshd has one uid for everybody.
   */
  limitedUid: z.nullable(z.int().check(z.minimum(0))),
  /** Pods of an earlier version do not say it; a reason of a later one means nothing to us. */
  processNamespace: otherwise(z.optional(z.enum(PROCESS_NAMESPACES)), undefined),
  processNamespaceReason: otherwise(z.optional(z.enum(PROCESS_NAMESPACE_REASONS)), undefined),
  /** Pods of an earlier version have a sidecar. */
  runtime: otherwise(Runtime, 'sidecar'),
  /** Where the sidecar serves metrics; undefined: nowhere. */
  metricsPort: otherwise(z.optional(z.int().check(z.minimum(1), z.maximum(65_535))), undefined),
  /** Only for runtime main_container: what of spec.mainContainer the pod was made with, and the usernames it was told. */
  mainContainer: otherwise(
    z.optional(
      z.object({
        setup: z.enum(SSHD_SETUPS),
        port: z.int().check(z.minimum(1), z.maximum(65_535)),
        usernames: z.array(z.string()).check(z.maxLength(MOST_USERNAMES)),
        /** `podSettings` of the spec that the pod was made with (crds/pod-settings.ts). */
        settings: z.optional(z.string()),
        /** Names of {@link SSH_ENV} that the webhook set: all others in the pod are its own. */
        environment: otherwise(z.optional(z.array(z.string())), undefined),
      }),
    ),
    undefined,
  ),
});
export type InjectionRecord = z.infer<typeof InjectionRecord>;

/** The sidecar's configuration, set by the webhook as environment variables of its container. */
export const SIDECAR_ENV = {
  container: 'SSHACCESS_TARGET_CONTAINER',
  sessionEntry: 'SSHACCESS_SESSION_ENTRY',
  /** Empty: uid 0 is not allowed, use the app's own. */
  rootUid: 'SSHACCESS_ROOT_UID',
  /** Empty: role limited is refused. */
  limitedUid: 'SSHACCESS_LIMITED_UID',
  /** `isolated`: the app's processes cannot be seen. */
  processNamespace: 'SSHACCESS_PROCESS_NAMESPACE',
  podName: 'SSHACCESS_POD_NAME',
  namespace: 'SSHACCESS_NAMESPACE',
  /** None: no metrics are served. */
  metricsPort: 'SSHACCESS_METRICS_PORT',
} as const;
