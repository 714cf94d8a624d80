import { ensurePackages } from './machine/apt.ts';

/** Before the unit and wire-level tests: the programs that they talk to are on this machine, or the run ends here. */
export default async function setup(): Promise<void> {
  await ensurePackages([
    'openssh-client',
    'openssh-server',
    'libnss-wrapper',
    'rsync',
    'xauth',
    'openssl',
    'util-linux',
    'busybox-static',
    'gcc',
    'libc6-dev',
  ]);
}
