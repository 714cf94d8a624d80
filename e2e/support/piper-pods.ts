import { z } from 'zod';
import { demo } from './demo.ts';
import type { HeldShell } from './held-shell.ts';
import { kubectl, list } from './kubectl.ts';

const PiperPod = z.object({
  metadata: z.object({ name: z.string(), uid: z.string(), deletionTimestamp: z.string().optional() }),
  status: z.object({ podIP: z.string().optional() }),
});

/** The pods of the piper, also those that are on their way out. */
export async function piperPods(): Promise<z.infer<typeof PiperPod>[]> {
  const selector = ['-n', demo().systemNamespace, '-l', 'app.kubernetes.io/component=piper'];
  return await list(PiperPod, 'pods', ...selector);
}

/** Those that serve: one that is on its way out takes nobody new, and may take its time. */
export async function servingPipers(): Promise<z.infer<typeof PiperPod>[]> {
  return (await piperPods()).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
}

/** Which of the shells that are open go through that piper, by its record. */
export async function shellsOn(pod: string, shells: readonly HeldShell[]): Promise<HeldShell[]> {
  const record = await kubectl('logs', '-n', demo().systemNamespace, pod, '--tail=-1');
  return shells.filter(({ clientPort }) => record.includes(`"clientPort":${clientPort},"event":"start"`));
}
