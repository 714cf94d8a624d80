import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Ceiling, POD_SECRET_KEYS, SIDECAR_ENV } from '../../crds/index.ts';
import { buildEnter } from '../../sidecar/enter/testing/build-enter.ts';
import { start, stop } from './programs.ts';
import type { StartPod } from './stack.ts';

/** Our sshd, without an app beside it. */
export const startSidecar: StartPod = async (folder, made, roles) => {
  const secret = join(folder, 'secret');
  await mkdir(secret);
  const ceiling: Ceiling = { version: 1, roles, auditLogging: true };
  await writeFile(join(secret, POD_SECRET_KEYS.hostKey), made.pod.toOpenSsh());
  await writeFile(join(secret, POD_SECRET_KEYS.mappingKeyPublic), made.mapping.publicKey.toLine());
  await writeFile(join(secret, POD_SECRET_KEYS.ceiling), JSON.stringify(ceiling));
  const { child, stderr, port } = await start('sidecar/main.ts', [], {
    [SIDECAR_ENV.container]: `app-${process.pid}`,
    [SIDECAR_ENV.sessionEntry]: 'toolbox',
    // nobody: without an app, role root is never uid 0, and `scp -O` wants a user that passwd knows.
    [SIDECAR_ENV.rootUid]: '65534',
    [SIDECAR_ENV.limitedUid]: '61000',
    // There is no app to see, and none to wait for.
    [SIDECAR_ENV.processNamespace]: 'isolated',
    SSHACCESS_PORT: '0',
    SSHACCESS_SECRET_PATH: secret,
    SSHACCESS_ENTER_PATH: await buildEnter(),
    SSHACCESS_BUSYBOX_PATH: '/usr/bin/busybox',
  });
  return { runtime: 'sidecar', child, port, lines: stderr, stop: () => stop(child) };
};
