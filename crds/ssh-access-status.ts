/** What status of an SshAccess tells. */
import * as z from 'zod';
import { SESSION_ENTRIES } from './injection-record.ts';
import { ROLES } from './session-policy.ts';
import { GatewayHostKeys } from './session-report.ts';

export const Condition = z.object({
  type: z.string().max(316),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string().max(1024),
  message: z.string().max(32_768),
  lastTransitionTime: z.iso.datetime({ offset: true }),
  observedGeneration: z.int().optional(),
});
export type Condition = z.infer<typeof Condition>;

/** Status stays small, whatever stands in the Secrets of users. */
export const KEY_STATUS_LIMITS = { keys: 32, comment: 64, principals: 128 } as const;

const KeyStatus = z.object({
  fingerprint: z.string().describe('SHA256, as ssh-keygen -l prints it.'),
  comment: z
    .string()
    .max(KEY_STATUS_LIMITS.comment)
    .describe('What stands behind the key in its line, shortened.')
    .optional(),
  certAuthority: z
    .boolean()
    .describe('true: the key of an authority. It does not log in; certificates that it has signed do.')
    .optional(),
  principals: z
    .string()
    .max(KEY_STATUS_LIMITS.principals)
    .describe('Of an authority: one of these names must be in a certificate, shortened. Default: the username.')
    .optional(),
});
export type KeyStatus = z.infer<typeof KeyStatus>;

const activeSessions = z
  .int32()
  .describe('Sessions that are open now; a connection without one, as of ssh -N, counts as one.')
  .optional();
const lastLogin = z.iso.datetime({ offset: true }).describe('When somebody last got to a pod.').optional();

export const UserStatus = z.object({
  username: z.string().describe('What to log in as.'),
  access: z.enum(ROLES),
  effectiveUser: z
    .string()
    .describe('The uid that a session really gets; none where the pods refuse this access.')
    .optional(),
  fingerprints: z
    .array(z.string())
    .describe('SHA256 fingerprints of the keys that may log in; behind cert-authority, of keys whose certificates may.')
    .optional(),
  keys: z
    .array(KeyStatus)
    .max(KEY_STATUS_LIMITS.keys)
    .describe(`The same keys with what their lines say of them; the first ${KEY_STATUS_LIMITS.keys}.`)
    .optional(),
  expiresAt: z.string().describe('No login and no session after this time.').optional(),
  command: z.string().describe('The ready-to-use line; none for who may not log in.').optional(),
  activeSessions,
  lastLogin,
});
export type UserStatus = z.infer<typeof UserStatus>;

export const SshAccessStatus = z.object({
  observedGeneration: z.int().describe('The generation of spec that this is about.').optional(),
  conditions: z
    .array(Condition)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] })
    .describe('What holds and what does not, each with what to do: docs/troubleshooting.md.')
    .optional(),
  endpoint: z
    .object({ host: z.string(), port: z.int32(), hostKeys: z.optional(GatewayHostKeys) })
    .describe(
      'Where users reach the gateway; none where the administrator has not said it (endpoint.host of the chart).',
    )
    .optional(),
  runtime: z.string().describe('Whose sshd the pods have: sidecar or main_container.').optional(),
  sessionEntry: z
    .enum(SESSION_ENTRIES)
    .describe(
      'Where sessions open. chroot: in the app; toolbox: in the sidecar; sshd: in the container of a main_container.',
    )
    .optional(),
  // For the printer column.
  primaryUser: z.string().describe('Username of the primary user.').optional(),
  activeSessions,
  lastLogin,
  users: z
    .array(UserStatus)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['username'] })
    .describe('Every user of spec, with what is found of them.')
    .optional(),
  pods: z
    .array(z.object({ name: z.string(), ready: z.boolean().describe('true: a login reaches it.') }))
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
    .describe('The pods of the target, the first 50 by name.')
    .optional(),
});
export type SshAccessStatus = z.infer<typeof SshAccessStatus>;
