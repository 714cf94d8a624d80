import * as z from 'zod';
import { OwnerReference } from '../lib/kube/owner-reference.ts';

/** A Secret as the API server hands it out: a trust boundary, so it is parsed. */
export const Secret = z.object({
  metadata: z.object({
    uid: z.string(),
    resourceVersion: z.string(),
    labels: z.record(z.string(), z.string()).default({}),
    annotations: z.record(z.string(), z.string()).default({}),
    ownerReferences: z.array(OwnerReference).default([]),
  }),
  data: z.record(z.string(), z.string()).default({}),
});
export type Secret = z.infer<typeof Secret>;

export const encode = (content: string): string => Buffer.from(content).toString('base64');
export const decode = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');

/** The decoded text under `key`; undefined where there is none. */
export function textOf(secret: Secret | undefined, key: string): string | undefined {
  const value = secret?.data[key];
  return value === undefined ? undefined : decode(value);
}

/** What JSON in a Secret says; undefined where there is none, or it is damaged and written anew. */
export function parseJson<T>(schema: { parse: (value: unknown) => T }, text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
