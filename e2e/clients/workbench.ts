import { readFileSync } from 'node:fs';
import { demo } from '../support/demo.ts';
import { apply, kubectl } from '../support/kubectl.ts';
import type { Login } from '../support/openssh.ts';
import { accessManifest, createWorkload, keySecret, waitUntilReady } from '../support/workload.ts';

const NAMESPACE = 'clients';

export const rootWorkbench = (): Login => ({ user: 'clients-workbench', key: demo().rootKey });
export const limitedWorkbench = (): Login => ({ user: 'clients-workbench-dev', key: demo().limitedKey });

/**
 * Two apps for all files here: `workbench`, whose image has what clients look for, with room in /data; and `bare`, whose
 * image has neither rsync nor git. Applied again they are as they were, so only the first file waits for them.
 */
export async function ensureWorkbench(): Promise<void> {
  const script = 'exec sleep infinity';
  const container = { volumeMounts: [{ name: 'data', mountPath: '/data' }] };
  const pod = { volumes: [{ name: 'data', emptyDir: {} }] };
  await createWorkload({
    namespace: NAMESPACE,
    name: 'workbench',
    script,
    image: demo().workbenchImage,
    container,
    pod,
  });
  // Any image of ours is a small Debian with Node.
  const piper = ['deployment/sshaccess-piper', '-n', demo().systemNamespace];
  const image = await kubectl('get', ...piper, '-o', 'jsonpath={.spec.template.spec.containers[0].image}');
  await createWorkload({ namespace: NAMESPACE, name: 'bare', script, image });
  await apply(
    [
      keySecret(NAMESPACE, 'root-key', publicKey(demo().rootKey)),
      keySecret(NAMESPACE, 'dev-key', publicKey(demo().limitedKey)),
      accessManifest(NAMESPACE, 'workbench', [
        { secretRef: { name: 'root-key' } },
        { suffix: 'dev', secretRef: { name: 'dev-key' } },
      ]),
      accessManifest(NAMESPACE, 'bare', [{ secretRef: { name: 'root-key' } }]),
    ].join('---\n'),
  );
  for (const name of ['workbench', 'bare']) {
    await waitUntilReady(NAMESPACE, name);
    await kubectl('rollout', 'status', `deployment/${name}`, '-n', NAMESPACE, '--timeout=120s');
  }
}

const publicKey = (privateKey: string): string => readFileSync(`${privateKey}.pub`, 'utf8');
