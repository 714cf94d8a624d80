import { z } from 'zod';
import { demo } from './demo.ts';
import { type Finished, run, succeed } from './process.ts';

function command(args: readonly string[]): string[] {
  const { kubectl, kubeconfig } = demo();
  return [kubectl, '--kubeconfig', kubeconfig, ...args];
}

/** Longer than any `--timeout` that is given to it: what kubectl says of its own end is better than that it was killed. */
const timeoutMs = 200_000;

/** Runs kubectl; it must succeed. */
export const kubectl = (...args: string[]): Promise<string> => succeed(command(args), { timeoutMs });

/** Runs kubectl, whatever comes of it: for what must be refused. */
export const tryKubectl = (args: readonly string[], input?: string): Promise<Finished> =>
  run(command(args), { timeoutMs, ...(input !== undefined && { input }) });

/** Applies a manifest (YAML or JSON text). */
export const apply = (manifest: string): Promise<string> =>
  succeed(command(['apply', '-f', '-']), { timeoutMs, input: manifest });

/** Reads objects as JSON and parses what the test needs of them. */
export async function get<T extends z.ZodType>(schema: T, ...args: string[]): Promise<z.output<T>> {
  return schema.parse(JSON.parse(await kubectl('get', ...args, '-o', 'json')));
}

/** The same of many: those of a kind, or of them those that `args` select. */
export async function list<T extends z.ZodType>(item: T, ...args: string[]): Promise<z.output<T>[]> {
  return (await get(z.object({ items: z.array(item) }), ...args)).items;
}

export const Pod = z.object({
  metadata: z.object({ name: z.string(), uid: z.string(), deletionTimestamp: z.string().optional() }),
  status: z.object({
    containerStatuses: z.array(z.object({ name: z.string(), restartCount: z.int(), ready: z.boolean() })).default([]),
    initContainerStatuses: z.array(z.object({ name: z.string(), restartCount: z.int() })).default([]),
  }),
});
export type Pod = z.infer<typeof Pod>;

/** The pods of `app` that are not on their way out. */
export async function pods(namespace: string, app: string): Promise<Pod[]> {
  const all = await list(Pod, 'pods', '-n', namespace, '-l', `app=${app}`);
  return all.filter((pod) => pod.metadata.deletionTimestamp === undefined);
}
