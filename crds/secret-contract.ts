/**
 * What the operator writes and the sidecar and piper read. Secrets cross a trust boundary, so each reader parses them
 * with these schemas; a Secret that does not parse grants nothing.
 */
import * as z from 'zod/mini';
import { Runtime, UidOffset } from './injection-record.ts';
import { Kick, MOST_KICKS } from './kicks.ts';
import { Role, SessionPolicy } from './session-policy.ts';

/** Data keys of the pod's Secret `<name>-sshaccess`. */
export const POD_SECRET_KEYS = {
  /** OpenSSH private key (PEM): the pods' host key, shared by all replicas. */
  hostKey: 'host-key',
  /** While the host key is rotated: the one that comes after it, in the same form. Pods do not read it. */
  nextHostKey: 'next-host-key',
  /** OpenSSH public key lines, at most {@link MOST_MAPPING_KEYS}: the only keys that may authenticate to the sidecar. */
  mappingKeyPublic: 'mapping-key.pub',
  /** JSON of {@link Ceiling}. */
  ceiling: 'ceiling.json',
} as const;

/** The one in use, and while it is rotated the one before or after it. */
export const MOST_MAPPING_KEYS = 2;

/** The most that a piper may assert to this pod: for each allowed role, the widest policy. */
export const Ceiling = z.strictObject({
  version: z.literal(1),
  roles: z.partialRecord(Role, SessionPolicy),
  auditLogging: z.boolean(),
});
export type Ceiling = z.infer<typeof Ceiling>;

/** Data keys of a route Secret, in the system namespace. */
export const ROUTE_SECRET_KEYS = {
  /** JSON of {@link Route}. */
  route: 'route.json',
  /** OpenSSH private key (PEM) with which the piper authenticates to the pods of this route. */
  mappingKey: 'mapping-key',
  /** While the mapping key is rotated: the one that comes after it, in the same form. Pipers do not read it. */
  nextMappingKey: 'next-mapping-key',
} as const;

export const MOST_HOST_KEYS = 128;
/** Of one SshAccess. */
export const MOST_USERS = 64;
/** Of all its users together, in their order; further ones let nobody in. Each change compares them all, for all tenants. */
export const MOST_KEYS_OF_ROUTE = 1_024;

/** One user of a route. `authorizedKeys` are lines as in sshd(8), options and all, that the operator has already checked. */
export const RouteUser = z.strictObject({
  username: z.string().check(z.regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/), z.maxLength(191)),
  /** The name to log in to the pod's sshd with, where it is another: pods know only the users that they started with. */
  upstreamUser: z.optional(z.string().check(z.minLength(1), z.maxLength(191))),
  role: Role,
  authorizedKeys: z.array(z.string().check(z.maxLength(16_384))).check(z.maxLength(64)),
  policy: SessionPolicy,
  uidOffset: UidOffset,
  /** RFC 3339; no new login and no live session after it. */
  expiresAt: z.optional(z.string()),
});
export type RouteUser = z.infer<typeof RouteUser>;

export const MAX_BANNER_LENGTH = 4096;

/**
 * Everything the piper must know of one SshAccess. What it does not know it passes over: while one is upgraded, the other
 * may be of another version; whoever changes what a field means changes `version`.
 */
export const Route = z.object({
  version: z.literal(1),
  namespace: z.string(),
  name: z.string(),
  uid: z.string(),
  enabled: z.boolean(),
  /** The headless Service in `namespace` whose EndpointSlices list the pods. */
  service: z.string(),
  port: z.int().check(z.minimum(1), z.maximum(65_535)),
  runtime: Runtime,
  /**
   * OpenSSH public key lines: a pod of this route must prove to hold one of them. There are several where the images make
   * host keys of their own. None: no pod is known yet, and nobody gets through.
   */
  hostKeys: z.array(z.string().check(z.maxLength(16_384))).check(z.maxLength(MOST_HOST_KEYS)),
  /** No pod of the workload has ssh in it yet, since all were started before it was asked for. */
  awaitsRollout: z.optional(z.boolean()),
  /** What to show to a user who has proven who they are. */
  banner: z.optional(z.string().check(z.maxLength(MAX_BANNER_LENGTH))),
  users: z.array(RouteUser).check(z.maxLength(MOST_USERS)),
  /** Beside the users: a piper of before takes no field of theirs that it does not know. */
  kicks: z.optional(z.array(Kick).check(z.maxLength(MOST_KICKS))),
});
export type Route = z.infer<typeof Route>;

/** Data keys of the piper's host key Secret end so; each holds a private key (PEM, OpenSSH or PKCS #8). */
export const PIPER_HOST_KEY_SUFFIX = 'host-key';
