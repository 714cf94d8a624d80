/** The app that both servers lead to: a container with a busybox in it, running as root. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../scripts/machine/command.ts';
import { DEFAULT_CAPABILITIES, type Pod, startPod } from '../sidecar/enter/testing/pod.ts';

export const CONTAINER = 'bench';

export type App = { pod: Pod; pid: number; stop: () => Promise<void> };

export async function startApp(): Promise<App> {
  const pod = await startPod();
  for (const [name, minor] of [
    ['null', '3'],
    ['zero', '5'],
  ] as const)
    await run('mknod', ['-m', '666', join(pod.root, 'dev', name), 'c', '1', minor]);
  const pid = await pod.container({
    command: ['/bin/sleep', '100000'],
    env: { SSHACCESS_CONTAINER: CONTAINER, PATH: '/bin' },
    uid: 0,
    capabilities: DEFAULT_CAPABILITIES,
  });
  const stop = async (): Promise<void> => {
    await pod.remove();
    await rm(pod.root, { recursive: true, force: true });
  };
  return { pod, pid, stop };
}
