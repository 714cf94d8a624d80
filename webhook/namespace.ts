import * as z from 'zod';

/** A Namespace, as far as the webhook reads it: its labels say which Pod Security level it enforces, and whose it is. */
export const Namespace = z.object({
  metadata: z.object({ name: z.string(), labels: z.record(z.string(), z.string()).default({}) }),
});
export type Namespace = z.infer<typeof Namespace>;
