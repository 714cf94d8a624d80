/** SshAccesses as kubectl prints them; a newer operator may say more in status than we know. */
import * as z from 'zod';
import type { Kubectl } from './kubectl.ts';
import { Problem } from './problem.ts';

const Condition = z.object({ type: z.string(), status: z.string(), reason: z.string(), message: z.string() });
const User = z.object({
  username: z.string(),
  access: z.string(),
  command: z.string().optional(),
  fingerprints: z.array(z.string()).default([]),
  expiresAt: z.string().optional(),
  activeSessions: z.int().optional(),
  lastLogin: z.string().optional(),
});
const Access = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    annotations: z.record(z.string(), z.string()).default({}),
  }),
  status: z
    .object({
      conditions: z.array(Condition).default([]),
      endpoint: z.object({ host: z.string(), port: z.int(), hostKeys: z.array(z.string()).optional() }).optional(),
      users: z.array(User).default([]),
      pods: z.array(z.object({ name: z.string(), ready: z.boolean() })).default([]),
    })
    .prefault({}),
});
export type Access = z.infer<typeof Access>;
export type AccessUser = z.infer<typeof User>;

export const KIND = 'sshaccesses.sshaccess.dev';

/** One by its name. @throws Problem as kubectl says it */
export async function readAccess(kubectl: Kubectl, name: string): Promise<Access> {
  return understand(Access, await kubectl('get', KIND, name, '--output=json'));
}

/** All of the namespace. */
export async function readAccesses(kubectl: Kubectl): Promise<readonly Access[]> {
  return understand(z.object({ items: z.array(Access) }), await kubectl('get', KIND, '--output=json')).items;
}

function understand<T extends z.ZodType>(schema: T, text: string): z.output<T> {
  const parsed = schema.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  throw new Problem(`this plugin does not understand what the cluster answers: ${z.prettifyError(parsed.error)}`);
}
