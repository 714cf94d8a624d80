import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { run } from './command.ts';
import { SetupError } from './errors.ts';
import { step } from './progress.ts';

/** Debian's directory of libraries. */
const triplet = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';

/** Debian package → the program or file that shows that it (or its equal from elsewhere) is there. */
const witnesses = {
  containerd: 'containerd',
  runc: 'runc',
  'containernetworking-plugins': '/usr/lib/cni/ptp',
  iptables: 'iptables',
  conntrack: 'conntrack',
  iproute2: 'ip',
  openssl: 'openssl',
  'util-linux': 'nsenter',
  xauth: 'xauth',
  'openssh-client': 'ssh',
  'openssh-server': '/usr/sbin/sshd',
  python3: 'python3',
  rsync: 'rsync',
  'libnss-wrapper': `/usr/lib/${triplet}/libnss_wrapper.so`,
  gcc: 'gcc',
  'libc6-dev': '/usr/include/stdio.h',
  mmdebstrap: 'mmdebstrap',
  'debian-archive-keyring': '/usr/share/keyrings/debian-archive-keyring.gpg',
  'busybox-static': '/bin/busybox',
  buildah: 'buildah',
  git: 'git',
  sshfs: 'sshfs',
  curl: 'curl',
  lftp: 'lftp',
  'putty-tools': 'puttygen',
  'dropbear-bin': 'dbclient',
  'emacs-nox': 'emacs',
  // The half of Python's venv that Debian ships apart, at bookworm's version.
  'python3-venv': '/usr/lib/python3.11/ensurepip/__init__.py',
} as const;

export type DebianPackage = keyof typeof witnesses;

export function programPath(program: string): string | undefined {
  if (program.startsWith('/')) return existsSync(program) ? program : undefined;
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.map((folder) => join(folder, program)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // not there, or not ours to run: either way it is no witness
  }
}

export function missingPackages(wanted: readonly DebianPackage[]): DebianPackage[] {
  return wanted.filter((name) => programPath(witnesses[name]) === undefined);
}

/** Why missing packages could not be installed here, or undefined when nothing stands in the way. */
export function aptUnavailable(missing: readonly DebianPackage[]): string | undefined {
  if (missing.length === 0) return undefined;
  const need = `missing: ${missing.join(', ')}`;
  if (programPath('apt-get') === undefined) {
    return `${need}; there is no apt-get here, so install the equals of these Debian packages by hand`;
  }
  if (process.getuid?.() !== 0)
    return `${need}; run \`sudo apt-get install ${missing.join(' ')}\`, or run this as root`;
  return undefined;
}

/** Installs what is missing, and fetches the package lists only if that fails without. */
export async function ensurePackages(wanted: readonly DebianPackage[]): Promise<void> {
  const missing = missingPackages(wanted);
  if (missing.length === 0) return;
  const obstacle = aptUnavailable(missing);
  if (obstacle !== undefined) throw new SetupError('PACKAGES_MISSING', obstacle);
  await step(`apt-get install ${missing.join(' ')}`, async () => {
    try {
      await install(missing);
    } catch {
      // Fresh machines have no package lists, old ones name versions that are gone: both cured by an update.
      await run('apt-get', ['update']);
      await install(missing);
    }
  });
}

async function install(packages: readonly string[]): Promise<void> {
  const options = ['-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300'];
  await run('apt-get', ['install', ...options, ...packages], { env: { DEBIAN_FRONTEND: 'noninteractive' } });
}
