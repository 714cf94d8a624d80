/** A main_container in the small: OpenSSH's own sshd, set up by our init script, or knowing nothing of us. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { POD_SECRET_KEYS, SSH_ENV, SSHD_SECRET_KEYS } from '../../crds/index.ts';
import { openSsh } from '../../lib/ssh/testing/openssh.ts';
import { INIT_SCRIPT_FILE } from '../../operator/init-script/init-script.ts';
import { sshdSettings } from '../../operator/sshd-settings.ts';
import { freePort } from '../support/free-port.ts';
import type { Pod, StartPod } from './stack.ts';

/** The only user that the image knows; nobody else may own what its sessions write. */
export const APP = { name: 'app', uid: 65_534 } as const;
/** A port is free when we ask, and another test may have it a moment later. */
const TRIES = 5;

export type SshdOptions = {
  /** Whom sshd itself runs as: root, as most images have it, or the app, as the contract has. */
  as: 'root' | 'app';
  /** sshd_config of an image that knows nothing of us; without it our init script writes one. */
  config?: readonly string[];
};

/** The pod in a mount namespace of its own: its user is in nobody else's passwd. */
export const sshdPod =
  ({ as, config }: SshdOptions): StartPod =>
  async (folder, made, roles) => {
    const [runtime, secret] = [join(folder, 'ssh-runtime'), join(folder, 'secret')];
    await mkdir(runtime);
    await mkdir(secret);
    if (as === 'app') await chown(runtime, APP.uid, APP.uid);
    await writeFile(join(secret, POD_SECRET_KEYS.hostKey), made.pod.toOpenSsh());
    await writeFile(join(secret, POD_SECRET_KEYS.mappingKeyPublic), `${made.mapping.publicKey.toLine()}\n`);
    await writeFile(join(secret, SSHD_SECRET_KEYS.settings), sshdSettings({ version: 1, roles, auditLogging: true }));
    const entry = `${APP.name}:x:${APP.uid}:${APP.uid}::${join(runtime, 'home')}:/bin/sh\n`;
    await writeFile(join(folder, 'passwd'), `${await readFile('/etc/passwd', 'utf8')}${entry}`);
    const setUp = config === undefined ? INIT_SCRIPT_FILE : await byItself(runtime, secret, config);
    const container: Container = { as, setUp, runtime, secret, passwd: join(folder, 'passwd') };
    for (let tries = 1; ; tries++) {
      try {
        return await startContainer(container, await freePort());
      } catch (error) {
        if (tries === TRIES) throw error;
      }
    }
  };

/** A set-up of the image's own: what our init script does is not there, and only the key is ours. */
async function byItself(runtime: string, secret: string, config: readonly string[]): Promise<string> {
  const lines = [`HostKey ${runtime}/host-key`, `AuthorizedKeysFile ${secret}/mapping-key.pub`, ...config];
  await writeFile(join(secret, 'config'), `${lines.join('\n')}\n`);
  const script = `set -eu
mkdir -p /run/sshd "$SSH_RUNTIME_DIR/home"
(umask 077 && cat "$SSHACCESS_SECRET_DIR/host-key" >"$SSH_RUNTIME_DIR/host-key")
(echo "Port $SSH_PORT" && cat "$SSHACCESS_SECRET_DIR/config") >"$SSH_RUNTIME_DIR/sshd_config"
`;
  const path = join(secret, 'set-up.sh');
  await writeFile(path, script);
  return path;
}

type Container = { as: 'root' | 'app'; setUp: string; runtime: string; secret: string; passwd: string };

async function startContainer({ as, setUp, runtime, secret, passwd }: Container, port: number): Promise<Pod> {
  const ids = as === 'app' ? `setpriv --reuid ${APP.uid} --regid ${APP.uid} --clear-groups` : '';
  // As an image's entrypoint does. The last command takes the place of the shell, and ends with it.
  const entrypoint = '/bin/sh "$0" && exec "$1" -D -e -f "$SSH_RUNTIME_DIR/sshd_config"';
  // A devpts as a container has: who is not root could not give a terminal to the group of terminals otherwise.
  const terminals = 'mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts /dev/pts';
  const mounts = `mount --bind "$2" /etc/passwd && ${terminals} && mount --bind /dev/pts/ptmx /dev/ptmx`;
  const script = `${mounts} && exec ${ids} /bin/sh -c '${entrypoint}' "$0" "$1"`;
  // With a process namespace of its own: what outlives sshd, such as who reads the audit trail, ends with the container.
  const words = [
    '--mount',
    '--propagation=private',
    '--pid',
    '--fork',
    '--mount-proc',
    '/bin/sh',
    '-c',
    script,
    setUp,
    openSsh('sshd'),
    passwd,
  ];
  const child = spawn('unshare', words, {
    env: {
      PATH: process.env['PATH'],
      [SSH_ENV.runtimeDir]: runtime,
      [SSH_ENV.secretDir]: secret,
      [SSH_ENV.usernames]: APP.name,
      [SSH_ENV.port]: String(port),
      [SSH_ENV.auditLogging]: 'true',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
    // A group of its own: unshare waits for process 1 of the container, and would leave it behind.
    detached: true,
  });
  const lines: string[] = [];
  const listening = Promise.withResolvers<void>();
  createInterface(child.stderr).on('line', (line) => {
    lines.push(line);
    if (line.startsWith('Server listening on ')) listening.resolve();
  });
  child.once('exit', (code) => listening.reject(new Error(`sshd ended with ${code}:\n${lines.join('\n')}`)));
  await listening.promise;
  const stop = async (): Promise<void> => {
    if (child.pid === undefined || child.exitCode !== null) return;
    const ended = once(child, 'exit');
    process.kill(-child.pid, 'SIGKILL');
    await ended;
  };
  return { runtime: 'main_container', child, port, lines, upstreamUser: APP.name, stop };
}
