/** A pod without Kubernetes: a PID namespace that is shared, and a mount namespace for each container. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildContainer, buildEnter } from './build-enter.ts';

/** What containerd gives a container that asks for nothing. */
export const DEFAULT_CAPABILITIES = 0x00000000a80425fbn;
/** SETGID, SETUID, SETPCAP, SYS_CHROOT, KILL: what the helper needs beyond what the app has. */
export const SIDECAR_CAPABILITIES = 0x0000000000040_1e0n;

export type Pod = {
  /** Starts a container; resolves when its program runs. Answers the program's pid as seen from outside. */
  container: (options: ContainerOptions) => Promise<number>;
  /** The words that run the helper in the sidecar's container of this pod. */
  enter: (words: readonly string[], options?: SidecarOptions) => string[];
  root: string;
  remove: () => Promise<void>;
};

export type ContainerOptions = {
  command: readonly string[];
  env?: Record<string, string>;
  uid?: number;
  groups?: string;
  capabilities?: bigint;
  cwd?: string;
};

export type SidecarOptions = { uid?: number; capabilities?: bigint };

const hex = (set: bigint) => set.toString(16).padStart(16, '0');

/** Needs root; the helper in it does not get root's capabilities. */
export async function startPod(): Promise<Pod> {
  if (process.getuid?.() !== 0) throw new Error('a pod of namespaces needs root: run these tests as root');
  const [enterPath, containerPath, root] = [await buildEnter(), await buildContainer(), await makeRoot()];
  // The sandbox: pid 1 of the namespace, whose end is the end of all that is in it.
  const sandbox = spawn('unshare', ['--pid', '--fork', 'sleep', 'infinity'], { stdio: 'ignore' });
  const pause = await firstChild(sandbox.pid ?? 0);
  // nsenter's own parent stays outside: what it forks has PPid 0 inside, as what containerd starts.
  const inside = ['nsenter', `--pid=/proc/${pause}/ns/pid`];
  return {
    root,
    container: (options) => startContainer([...inside, containerPath, root], options),
    enter: (words, options = {}) => [...inside, ...sidecar(options), enterPath, ...words],
    remove: async () => {
      const ended = once(sandbox, 'exit');
      process.kill(pause, 'SIGKILL');
      await ended;
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** A mount namespace with the pod's /proc, and no more rights than the real sidecar has. */
function sidecar({ uid = 0, capabilities = SIDECAR_CAPABILITIES }: SidecarOptions): string[] {
  const script = 'mount -t proc proc /proc && exec "$0" "$@"';
  const rights =
    uid === 0
      ? [`--bounding-set=-all${names(capabilities)}`]
      : [`--reuid=${uid}`, `--regid=${uid}`, '--bounding-set=-all'];
  return [
    'unshare',
    '--mount',
    '--propagation=private',
    'sh',
    '-c',
    script,
    'setpriv',
    '--clear-groups',
    '--no-new-privs',
    ...rights,
  ];
}

const names = (set: bigint) =>
  [...Array(41).keys()]
    .filter((cap) => (set >> BigInt(cap)) & 1n)
    .map((cap) => `,+cap_${cap}`)
    .join('');

async function startContainer(container: readonly string[], options: ContainerOptions): Promise<number> {
  const { uid = 1000, groups = '', capabilities = DEFAULT_CAPABILITIES, cwd = '/' } = options;
  const [program = '', ...words] = container;
  const ids = ['--uid', `${uid}`, '--gid', `${uid}`, '--groups', groups, '--capbnd', hex(capabilities), '--cwd', cwd];
  const child = spawn(program, [...words, ...ids, '--', ...options.command], {
    env: options.env ?? {},
    stdio: 'ignore',
  });
  const failed = once(child, 'exit').then(() => Promise.reject(new Error('the container did not start')));
  const running = async () => {
    const pid = await firstChild(child.pid ?? 0);
    for (;;) {
      const executable = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0')[0];
      if (executable === options.command[0]) return pid;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  const pid = running();
  failed.catch(() => undefined);
  return Promise.race([pid, failed]);
}

async function firstChild(pid: number): Promise<number> {
  for (;;) {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
    if (children !== '') return Number.parseInt(children, 10);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** An image with busybox and little else. /etc/passwd is an absolute symbolic link, as in some real ones. */
async function makeRoot(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'sshaccess-pod-'));
  await chmod(root, 0o755);
  for (const folder of ['bin', 'dev/pts', 'proc', 'etc', 'data', 'tmp', 'srv/app', 'home/app', 'root'])
    await mkdir(join(root, folder), { recursive: true });
  await cp('/bin/busybox', join(root, 'bin/busybox'));
  await promisify(execFile)('chroot', [root, '/bin/busybox', '--install', '/bin']);
  await writeFile(join(root, 'data/passwd'), 'app:x:1000:1000:App:/home/app:/bin/sh\n');
  await symlink('/data/passwd', join(root, 'etc/passwd'));
  await writeFile(join(root, 'etc/group'), 'app:x:1000:\n');
  await writeFile(join(root, 'etc/in-the-app'), '');
  await writeFile(join(root, 'dev/termination-log'), '');
  await chown(join(root, 'home/app'), 1000, 1000);
  await chmod(join(root, 'root'), 0o700);
  await chmod(join(root, 'tmp'), 0o1777);
  await chown(join(root, 'srv/app'), 1000, 1000);
  return root;
}
